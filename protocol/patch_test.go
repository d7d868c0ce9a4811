package protocol_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/secondgate/secondgate/protocol"
	"github.com/stretchr/testify/require"
)

func canonical(t testing.TB, text string) []byte {
	t.Helper()
	out, err := protocol.Canonical([]byte(text))
	require.NoError(t, err)
	return out
}

func TestMerge(t *testing.T) {
	for _, c := range []struct{ name, object, patch, want string }{
		{"replaces top-level fields", `{"a":1,"b":2}`, `{"b":3,"c":4}`, `{"a":1,"b":3,"c":4}`},
		{"keeps null", `{"a":1}`, `{"a":null}`, `{"a":null}`},
		{"does not merge below", `{"a":{"x":1}}`, `{"a":{"y":2}}`, `{"a":{"y":2}}`},
		{"dots and dollars are names", `{"a":{"b":1}}`, `{"a.b":2,"$set":3}`, `{"$set":3,"a":{"b":1},"a.b":2}`},
		{"order is that of UTF-16", `{"\uE000":1}`, `{"\uD83D\uDE00":2}`, "{\"\U0001F600\":2,\"\uE000\":1}"},
		{"order beside escapes", `{"a\n":1}`, `{"a\u0001":2,"a":3}`, `{"a":3,"a\u0001":2,"a\n":1}`},
		{"an empty patch", `{"a":1}`, `{}`, `{"a":1}`},
		{"an empty object", `{}`, `{"a":"}{\",:"}`, `{"a":"}{\",:"}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := protocol.Merge(canonical(t, c.object), canonical(t, c.patch))
			require.Equal(t, c.want, string(got))
			require.Equal(t, string(canonical(t, string(got))), string(got), "the result is canonical")
		})
	}
}

func TestMergePaths(t *testing.T) {
	for _, c := range []struct{ name, object, patch, want string }{
		{"reaches into objects", `{"a":{"b":1,"c":2}}`, `{"a.b":3}`, `{"a":{"b":3,"c":2}}`},
		{"makes missing objects", `{}`, `{"a.b.c":1}`, `{"a":{"b":{"c":1}}}`},
		{"reaches into arrays", `{"a":[1,2]}`, `{"a.1":3}`, `{"a":[1,3]}`},
		{"extends arrays with nulls", `{"a":[1]}`, `{"a.3":4}`, `{"a":[1,null,null,4]}`},
		{"reaches through arrays", `{"a":[{"b":1}]}`, `{"a.0.b":2,"a.0.c":3}`, `{"a":[{"b":2,"c":3}]}`},
		{"plain names stay names", `{"a":{"b":1}}`, `{"a":2}`, `{"a":2}`},
		{"numbers are names in objects", `{"a":{}}`, `{"a.0":1}`, `{"a":{"0":1}}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := protocol.MergePaths(canonical(t, c.object), canonical(t, c.patch))
			require.NoError(t, err)
			require.Equal(t, c.want, string(got))
		})
	}
	for _, c := range []struct{ name, object, patch string }{
		{"a scalar in the way", `{"a":1}`, `{"a.b":2}`},
		{"null in the way", `{"a":null}`, `{"a.b":2}`},
		{"no index", `{"a":[]}`, `{"a.b":2}`},
		{"an index with a zero before", `{"a":[1]}`, `{"a.00":2}`},
		{"an index far beyond the end", `{"a":[]}`, `{"a.1502":2}`},
		{"many nulls in several arrays", `{"a":[],"b":[]}`, `{"a.1000":2,"b.1000":2}`},
		{"an empty part", `{}`, `{"a..b":2}`},
		{"a leading dot", `{}`, `{".a":2}`},
		{"overlapping paths", `{}`, `{"a":1,"a.b":2}`},
		{"overlapping deeper", `{}`, `{"a.b":{},"a.b.c":2}`},
		{"positional operators", `{"a":[1]}`, `{"a.$[]":2}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := protocol.MergePaths(canonical(t, c.object), canonical(t, c.patch))
			require.Equal(t, protocol.CodeInvalidDocument, protocol.CodeOf(err))
		})
	}
}

func TestFilter(t *testing.T) {
	d := protocol.Document{ID: "d1", Data: canonical(t, `{"a":1,"n":null,"o":{"x":[1,{"y":2}]},"s":"1"}`)}
	for _, c := range []struct {
		filter string
		paths  bool
		want   bool
	}{
		{`{}`, false, true},
		{`{"a":1}`, false, true},
		{`{"a":1.0}`, false, true},
		{`{"a":"1"}`, false, false},
		{`{"a":true}`, false, false},
		{`{"s":"1","a":1}`, false, true},
		{`{"n":null}`, false, true},
		{`{"missing":null}`, false, false},
		{`{"o":{"x":[1,{"y":2}]}}`, false, true},
		{`{"o":{"x":[1]}}`, false, false},
		{`{"o.x.1.y":2}`, false, false},
		{`{"o.x.1.y":2}`, true, true},
		{`{"o.x.9":2}`, true, false},
		{`{"_id":"d1"}`, false, true},
		{`{"_id":"d2","a":1}`, false, false},
	} {
		f, err := protocol.ParseFilter(canonical(t, c.filter), c.paths)
		require.NoError(t, err, c.filter)
		require.Equal(t, c.want, f.Matches(&d), c.filter)
	}
	for _, filter := range []string{
		`{"a":{"$gt":1}}`, `{"a":{"$x":1,"b":2}}`, `{"_id":{"$ne":null}}`, `{"_id":5}`, `{"_id":""}`,
		`{"_rev":"x"}`, `{"_updatedAt":1}`,
	} {
		_, err := protocol.ParseFilter(canonical(t, filter), false)
		require.Equal(t, protocol.CodeInvalidFilter, protocol.CodeOf(err), filter)
	}
}

// TestMergingAllocatesInProportion: eight times as many fields, paths or elements take about eight
// times the bytes of memory. What copied the document for each path took 64 times as many.
func TestMergingAllocatesInProportion(t *testing.T) {
	if raceEnabled {
		t.Log("the race detector allocates too")
		return
	}
	object := func(n int, format string) []byte {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, format, i)
		}
		return canonical(t, "{"+strings.TrimSuffix(b.String(), ",")+"}")
	}
	for name, format := range map[string]string{"fields": `"f%d":1,`, "paths": `"a.f%d.b":1,`, "elements": `"a.%d":1,`} {
		allocated := func(n int) uint64 {
			patch := object(n, format)
			old := []byte(`{}`)
			if name == "elements" {
				old = []byte(`{"a":[` + strings.Repeat("0,", n) + `0]}`)
			}
			least := uint64(1 << 62)
			for range 5 {
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				_, err := protocol.MergePaths(old, patch)
				runtime.ReadMemStats(&after)
				require.NoError(t, err)
				least = min(least, after.TotalAlloc-before.TotalAlloc)
			}
			return least
		}
		small, large := allocated(2000), allocated(16_000)
		require.Less(t, large, small*8*5/4, "%s", name)
	}
}
