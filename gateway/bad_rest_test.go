package gateway_test

import (
	"io"
	"net/http"
	"net/http/httptrace"
	"strings"

	"github.com/stretchr/testify/require"
)

// badREST are the refused rows of restCases that any store with d1 in c shows, and some more.
func badREST() (rows []badInput) {
	for _, c := range append(restCases[:len(restCases):len(restCases)], moreBadREST...) {
		if c.status < 400 || strings.Contains(c.path, "..") {
			continue
		}
		rows = append(
			rows,
			badInput{
				door: "rest", name: c.name, status: c.status, code: c.want,
				send: func(b *badDoor) verdict { return b.rest(c) },
			},
		)
	}
	return rows
}

var moreBadREST = []restCase{
	{
		"key of another request", "POST", "", `{"collection":"c","docId":"d4","data":{}}`,
		[]string{"Idempotency-Key: used"}, 422, "mutation_mismatch",
	},
	{
		"key of another verb", "DELETE", "/d1?collection=c", "", []string{"Idempotency-Key: used"}, 422,
		"mutation_mismatch",
	},
	{
		"id as a prototype's name is fine, its collection unknown", "GET", "/__proto__?collection=constructor", "",
		nil, 404, "not_found",
	},
	{
		"a path through an array by name", "PATCH", "/d1", `{"collection":"c","data":{"a.l.x":1}}`, nil, 422,
		"invalid_document",
	},
	{
		"a path far beyond an array", "PATCH", "/d1", `{"collection":"c","data":{"a.l.999999":1}}`, nil, 422,
		"invalid_document",
	},
	{
		"two paths, one through the other", "PATCH", "/d1", `{"collection":"c","data":{"a":1,"a.b":2}}`, nil, 422,
		"invalid_document",
	},
	{
		"patch, too deep", "PATCH", "/d1",
		`{"collection":"c","data":{"a":` + strings.Repeat(`{"a":`, 64) + `1` + strings.Repeat("}", 64) + `}}`, nil,
		422, "invalid_document",
	},
	{
		"patch, result too large", "PATCH", "/d1",
		`{"collection":"c","data":{"a":"` + strings.Repeat("x", 1999) + `"}}`, nil, 413, "too_large",
	},
	{
		"a name twice, escaped", "POST", "", `{"collection":"c","data":{"a":1,"\u0061":2}}`, nil, 422,
		"invalid_document",
	},
	{"a byte order mark", "POST", "", "\ufeff{}", nil, 400, "invalid_json"},
	{"a comment", "POST", "", `{"collection":"c","data":{/*x*/}}`, nil, 400, "invalid_json"},
	{"NaN", "POST", "", `{"collection":"c","data":{"a":NaN}}`, nil, 400, "invalid_json"},
	{"a trailing comma", "POST", "", `{"collection":"c","data":{"a":1,}}`, nil, 400, "invalid_json"},
	{"a leading zero", "POST", "", `{"collection":"c","data":{"a":01}}`, nil, 400, "invalid_json"},
	{
		"app of 129 characters", "GET", "^/api/workspaces/w/apps/" + longID + "/data?collection=c", "", nil, 400,
		"invalid_id",
	},
	{
		"workspace with a space", "GET", "^/api/workspaces/w%20w/apps/a/data?collection=c", "", nil, 400,
		"invalid_id",
	},
	{"after of another kind", "GET", "?collection=c&after=%00", "", nil, 400, "invalid_cursor"},
	{
		"limit beyond an integer", "GET", "?collection=c&limit=99999999999999999999", "", nil, 400,
		"invalid_message",
	},
	{"limit negative", "GET", "?collection=c&limit=-1", "", nil, 400, "invalid_message"},
	{"beside the agents' endpoint", "POST", "^/api/internal/app-data-x", `{}`, nil, 404, "not_found"},
	{"two origins", "GET", "?collection=c", "", []string{"Origin: @", "Origin: @"}, 403, "forbidden"},
}

// rest sends a row over the one connection, and requires that this goes on serving, unless the body
// was too much.
func (b *badDoor) rest(c restCase) verdict {
	b.Helper()
	path, absolute := strings.CutPrefix(c.path, "^")
	if !absolute {
		path = dataPath + c.path
	}
	q, err := http.NewRequestWithContext(b.Context(), c.method, b.url+path, strings.NewReader(c.body))
	require.NoError(b, err)
	if c.body == "" {
		q.Body = http.NoBody
	}
	for _, h := range c.headers {
		name, value, _ := strings.Cut(strings.ReplaceAll(h, `"@rev"`, b.rev), ": ")
		value = strings.ReplaceAll(value, "@rev", strings.Trim(b.rev, `"`))
		q.Header.Add(name, strings.Replace(value, "@", b.url, 1))
	}
	answer, err := b.http.Do(q)
	require.NoError(b, err)
	body, err := io.ReadAll(answer.Body)
	require.NoError(b, err)
	_ = answer.Body.Close()
	b.serves(!answer.Close)
	return refusalOf(b.T, answer.StatusCode, body)
}

// serves asks once more, on the same connection if that was not announced to end.
func (b *badDoor) serves(same bool) {
	b.Helper()
	reused := false
	trace := &httptrace.ClientTrace{GotConn: func(i httptrace.GotConnInfo) { reused = i.Reused }}
	q, err := http.NewRequestWithContext(
		httptrace.WithClientTrace(b.Context(), trace), "GET", b.url+dataPath+"/d1?collection=c", nil,
	)
	require.NoError(b, err)
	answer, err := b.http.Do(q)
	require.NoError(b, err)
	_, err = io.Copy(io.Discard, answer.Body)
	require.NoError(b, err)
	_ = answer.Body.Close()
	require.Equal(b, 200, answer.StatusCode)
	require.True(b, reused || !same, "the connection was ended without a word")
}
