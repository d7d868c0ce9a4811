package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const run = `== tests
{"Action":"run","Package":"x/secondgate/a","Test":"TestGood"}
{"Action":"output","Package":"x/secondgate/a","Test":"TestGood","Output":"=== RUN   TestGood\n"}
{"Action":"output","Package":"x/secondgate/a","Test":"TestGood","Output":"    noise\n"}
{"Action":"pass","Package":"x/secondgate/a","Test":"TestGood","Elapsed":2}
{"Action":"output","Package":"x/secondgate/a","Output":"PASS\n"}
{"Action":"output","Package":"x/secondgate/a","Output":"ok  \tx/secondgate/a\t2.5s\n"}
{"Action":"pass","Package":"x/secondgate/a","Elapsed":2.5}
`

const failure = `{"Action":"output","Package":"x/secondgate/b","Test":"TestBad","Output":"=== RUN   TestBad\n"}
{"Action":"output","Package":"x/secondgate/b","Test":"TestBad","Output":"    b_test.go:1: it is wrong\n"}
{"Action":"output","Package":"x/secondgate/b","Test":"TestBad","Output":"--- FAIL: TestBad (1.00s)\n"}
{"Action":"fail","Package":"x/secondgate/b","Test":"TestBad","Elapsed":1}
{"Action":"output","Package":"x/secondgate/b","Test":"TestHung","Output":"panic: test timed out\n"}
{"Action":"output","Package":"x/secondgate/b","Output":"FAIL\tx/secondgate/b\t1.2s\n"}
{"Action":"fail","Package":"x/secondgate/b","Elapsed":1.2}
`

func summarize(t *testing.T, text string) (string, bool) {
	var out strings.Builder
	s := &summary{out: &out, held: map[string][]string{}}
	require.NoError(t, s.read(strings.NewReader(text)))
	s.close()
	return out.String(), s.failed
}

func TestSummaryOfSuccess(t *testing.T) {
	out, failed := summarize(t, run)
	require.False(t, failed)
	require.Equal(t, "== tests\nok  \tx/secondgate/a\t2.5s\n"+
		"== the slowest packages\n    2.5s  a (tests)\n== the slowest tests\n    2.0s  a TestGood (tests)\n", out)
}

func TestSummaryShowsFailures(t *testing.T) {
	out, failed := summarize(t, run+failure)
	require.True(t, failed)
	for _, want := range []string{
		"it is wrong", "--- FAIL: TestBad", "panic: test timed out", "FAIL\tx/secondgate/b\t1.2s",
		"ok  \tx/secondgate/a",
	} {
		require.Contains(t, out, want)
	}
	require.NotContains(t, out, "=== RUN")
	require.NotContains(t, out, "noise")
}

func TestSummaryShowsBuildFailures(t *testing.T) {
	out, failed := summarize(
		t,
		`{"ImportPath":"x/secondgate/c","Action":"build-output","Output":"c.go:1: undefined: y\n"}
{"Action":"output","Package":"x/secondgate/c","Output":"FAIL\tx/secondgate/c [build failed]\n"}
{"Action":"fail","Package":"x/secondgate/c","Elapsed":0}
`,
	)
	require.True(t, failed)
	require.Contains(t, out, "undefined: y")
	require.Contains(t, out, "[build failed]")
}
