package protocol_test

import (
	"encoding/hex"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/secondgate/secondgate/protocol"
	"github.com/stretchr/testify/require"
)

// vector is one row of testdata/documents.json: the accept/reject table of documents.
type vector struct {
	Name      string
	Input     string
	Hex       string
	Repeat    []any // before, opening, count, closing, after
	Canonical string
	Code      protocol.Code
}

func (v vector) bytes(t *testing.T) []byte {
	switch {
	case v.Hex != "":
		b, err := hex.DecodeString(v.Hex)
		require.NoError(t, err)
		return b
	case v.Repeat != nil:
		n := int(v.Repeat[2].(float64))
		return []byte(
			v.Repeat[0].(string) + strings.Repeat(
				v.Repeat[1].(string), n,
			) + strings.Repeat(
				v.Repeat[3].(string), n,
			) + v.Repeat[4].(string),
		)
	}
	return []byte(v.Input)
}

func load[V any](t *testing.T, name string) (v V) {
	text, err := os.ReadFile("testdata/" + name)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &v))
	return v
}

func TestCanonicalVectors(t *testing.T) {
	for _, v := range load[[]vector](t, "documents.json") {
		t.Run(v.Name, func(t *testing.T) {
			in := v.bytes(t)
			before := string(in)
			out, err := protocol.Canonical(in)
			require.Equal(t, before, string(in), "the input must be left alone")
			if v.Code != "" {
				require.Equal(t, v.Code, protocol.CodeOf(err), "%v", err)
				return
			}
			require.NoError(t, err)
			require.Equal(t, v.Canonical, string(out))
			again, err := protocol.Canonical(out)
			require.NoError(t, err)
			require.Equal(t, string(out), string(again), "canonical form is a fixed point")
		})
	}
}

// allocated is how many bytes f allocates, per run.
func allocated(f func()) float64 {
	r := testing.Benchmark(func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			f()
		}
	})
	return float64(r.AllocedBytesPerOp())
}

func TestCanonicalAllocationBound(t *testing.T) {
	if raceEnabled {
		t.Log("the race detector allocates for itself; the plain run checks this bound")
		return
	}
	empty := []byte(`{"a":[` + strings.Repeat("{},", 350_000) + `{}]}`)
	require.LessOrEqual(t, allocated(func() { _, _ = protocol.Canonical(empty) })/float64(len(empty)), 8.0)

	var short strings.Builder // the worst case known: one object of many short names, out of order
	for i := range 80_000 {
		short.WriteString(`,"` + string(rune('a'+i%26)) + hexDigits(79_999-i) + `":1`)
	}
	worst := []byte("{" + short.String()[1:] + "}")
	require.LessOrEqual(
		t, allocated(func() { _, err := protocol.Canonical(worst); require.NoError(t, err) })/float64(len(worst)),
		64.0,
	)
}

func hexDigits(n int) string { return hex.EncodeToString([]byte{byte(n >> 16), byte(n >> 8), byte(n)}) }

func TestFingerprintVectors(t *testing.T) {
	rows := load[[]struct {
		ID, Data, Rev, JSON string
		Created, Updated    int64
	}](t, "fingerprints.json")
	require.NotEmpty(t, rows)
	for _, v := range rows {
		d := protocol.NewDocument(v.ID, []byte(v.Data), time.UnixMilli(v.Created), time.UnixMilli(v.Updated))
		require.Equal(t, v.Rev, d.Rev)
		require.Equal(t, v.JSON, string(d.Append(nil)))
		require.True(t, json.Valid(d.Append(nil)))
	}
}

func TestFingerprintDependsOnEveryPart(t *testing.T) {
	at := time.UnixMilli(1_700_000_000_000)
	rev := protocol.Fingerprint([]byte(`{"a":1}`), at, at)
	require.Len(t, rev, 22)
	require.NotEqual(t, rev, protocol.Fingerprint([]byte(`{"a":2}`), at, at))
	require.NotEqual(t, rev, protocol.Fingerprint([]byte(`{"a":1}`), at.Add(time.Millisecond), at))
	require.NotEqual(t, rev, protocol.Fingerprint([]byte(`{"a":1}`), at, at.Add(time.Millisecond)))
}

func TestWritableDropsReservedNames(t *testing.T) {
	for _, c := range []struct{ name, data, id, want string }{
		{"nothing to drop", `{"a":1,"_x":2}`, "d1", `{"a":1,"_x":2}`},
		{"times and revision", `{"_createdAt":1,"_rev":2,"_updatedAt":3,"a":1}`, "d1", `{"a":1}`},
		{"its own id", `{"_id":"d1","a":1}`, "d1", `{"a":1}`},
		{"any id when the server makes one", `{"_id":7,"a":1}`, "", `{"a":1}`},
		{"names below the top stay", `{"a":{"_id":1,"_rev":2}}`, "d1", `{"a":{"_id":1,"_rev":2}}`},
	} {
		got, err := protocol.Writable([]byte(c.data), c.id)
		require.NoError(t, err, c.name)
		require.Equal(t, c.want, string(got), c.name)
	}
	_, err := protocol.Writable([]byte(`{"_id":"d2"}`), "d1")
	require.Equal(t, protocol.CodeInvalidDocument, protocol.CodeOf(err))
}

func TestAppendTime(t *testing.T) {
	t.Parallel()
	for _, at := range []time.Time{
		{}, time.UnixMilli(0), time.UnixMilli(-1), time.UnixMilli(1_700_000_000_007), time.Date(
			9999, 12, 31, 23, 59, 59, 999_999_999, time.UTC,
		),
		time.Date(
			2026, 2, 28, 23, 30, 0, 120_000_000, time.FixedZone("", -3600),
		), time.Date(12345, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(-1, 1, 1, 0, 0, 0, 0, time.UTC),
	} {
		require.Equal(t, at.UTC().Format("x2006-01-02T15:04:05.000Z"), string(protocol.AppendTime([]byte("x"), at)))
	}
}
