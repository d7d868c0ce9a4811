package gateway_test

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/protocol"
)

// badFrames are the refused frames of the shared vectors, over a real socket.
func badFrames(t *testing.T) (rows []badInput) {
	text, err := os.ReadFile("../protocol/testdata/requests.json")
	require.NoError(t, err)
	var vectors []struct {
		Name, Frame, RequestID string
		Code, Says             string
	}
	require.NoError(t, json.Unmarshal(text, &vectors))
	for _, v := range vectors {
		if v.Code == "" || v.Name == "data over the limit" {
			continue // the limit of the vectors is another one
		}
		rows = append(rows, badInput{
			door: "frame", name: v.Name, code: v.Code, says: v.Says,
			send: func(b *badDoor) verdict { return b.frame(v.Frame, v.RequestID) },
		})
	}
	return rows
}

// frame sends text and requires the answer under the id that is expected.
func (b *badDoor) frame(text, requestID string, parameters ...string) verdict {
	b.Helper()
	c := b.dial(parameters...)
	require.NoError(b, c.SendText(b.Context(), []byte(text)))
	for {
		m, err := c.Next(b.Context())
		require.NoError(b, err)
		if m.Error == nil {
			require.NotContains(b, string(m.Type), "-response", "it was carried out")
			continue
		}
		require.Equal(b, requestID, m.RequestID)
		if m.Type != protocol.TypeError {
			answers := strings.HasSuffix(string(m.Type), "-response") || m.Type == protocol.TypeAgentTriggered
			require.True(b, answers, m.Type)
			require.Empty(b, m.Docs)
			require.Empty(b, m.Results)
			require.Contains(b, []string{"", "null"}, string(m.Doc))
		}
		b.alive(c)
		return verdict{code: string(m.Error.Code), message: m.Error.Message}
	}
}

// badSocketRequests are well-formed frames whose content the store refuses. @rev is d1's revision.
func badSocketRequests() (rows []badInput) {
	request := func(kind, fields string) string {
		return fmt.Sprintf(`{"type":"second:data:%s","requestId":"r","collection":"c",%s}`, kind, fields)
	}
	for _, r := range []struct{ name, frame, code, says string }{
		{"id taken", request("insert", `"docId":"d1","data":{}`), "already_exists", "already"},
		{
			"id of the server's form", request("insert", `"docId":"0123456789abcdef01234567","data":{}`), "invalid_id",
			"24",
		},
		{"id with a slash", request("insert", `"docId":"a/b","data":{}`), "invalid_id", ""},
		{"id of dots", request("insert", `"docId":"..","data":{}`), "invalid_id", ""},
		{"id of encoded dots", request("insert", `"docId":"%2e%2e","data":{}`), "invalid_id", ""},
		{"id too long", request("insert", `"docId":"`+longID+`","data":{}`), "invalid_id", "128"},
		{"id with U+0000", request("insert", `"docId":"a\u0000","data":{}`), "invalid_document", ""},
		{
			"collection too long",
			`{"type":"second:data:insert","requestId":"r","collection":"` + longID + `","data":{}}`, "invalid_id",
			"128",
		},
		{
			"collection with a control character",
			`{"type":"second:data:insert","requestId":"r","collection":"a\u0007","data":{}}`, "invalid_id", "control",
		},
		{"another's _id", request("insert", `"docId":"d9","data":{"_id":"d8"}`), "invalid_document", "_id"},
		{"update of none", request("update", `"docId":"d2","data":{}`), "not_found", "d2"},
		{
			"update, another revision", request("update", `"docId":"d1","data":{},"ifRev":"x"`), "conflict",
			"read it again",
		},
		{"delete of none", request("delete", `"docId":"d2"`), "not_found", "d2"},
		{"delete, another revision", request("delete", `"docId":"d1","ifRev":"x"`), "conflict", "read it again"},
		{
			"update, a scalar in the path", request("update", `"docId":"d1","data":{"n.x":1},"paths":true`),
			"invalid_document", "",
		},
		{
			"update, result too large", request("update", `"docId":"d1","data":{"a":"`+strings.Repeat("x", 1999)+`"}`),
			"too_large", "2000",
		},
		{"data too large", request("insert", `"data":{"a":"`+strings.Repeat("x", 2100)+`"}`), "too_large", "2000"},
		{
			"data too deep", request("insert", `"data":{"a":`+strings.Repeat("[", 64)+strings.Repeat("]", 64)+`}`),
			"invalid_document", "64",
		},
		{
			"filter, an operator", request("upsert", `"filter":{"n":{"$gt":0}},"data":{}`), "invalid_filter",
			"operator",
		},
		{"filter, a reserved name", request("upsert", `"filter":{"_rev":"x"},"data":{}`), "invalid_filter", "_rev"},
		{
			"filter, id no string", request("upsert", `"filter":{"_id":{"$ne":null}},"data":{}`), "invalid_filter", "",
		},
		{
			"upsert of a server's id that is none", request("upsert", `"docId":"0123456789abcdef01234567","data":{}`),
			"not_found", "",
		},
		{
			"upsert, filter's id taken", request("upsert", `"filter":{"_id":"d1","n":7},"data":{}`), "already_exists",
			"",
		},
		{
			"after of none", `{"type":"second:data:list","requestId":"r","collection":"c","after":"x"}`,
			"invalid_cursor", "next",
		},
		{
			"mutation of another request", request("insert", `"docId":"d5","data":{},"mutationId":"used"`),
			"mutation_mismatch", "mutationId",
		},
		{
			"batch, the second is refused",
			`{"type":"second:data:batch","requestId":"r","operations":[{"operation":"insert","collection":"c","docId":"d6","data":{}},{"operation":"delete","collection":"c","docId":"d2"}]}`,
			"not_found", "operations[1]",
		},
		{
			"batch, the same id twice",
			`{"type":"second:data:batch","requestId":"r","operations":[{"operation":"insert","collection":"c","docId":"d6","data":{}},{"operation":"insert","collection":"c","docId":"d6","data":{}}]}`,
			"already_exists", "operations[1]",
		},
		{
			"batch, a revision of before",
			`{"type":"second:data:batch","requestId":"r","operations":[{"operation":"update","collection":"c","docId":"d1","data":{"n":2}},{"operation":"update","collection":"c","docId":"d1","data":{"n":3},"ifRev":"x"}]}`,
			"conflict", "operations[1]",
		},
		{
			"subscribe while all is followed", `{"type":"second:data:subscribe","requestId":"r","collection":"c"}`,
			"invalid_message", "changes=none",
		},
		{
			"unsubscribe while all is followed", `{"type":"second:data:unsubscribe","requestId":"r","collection":"c"}`,
			"invalid_message", "nothing to unsubscribe",
		},
		{
			"__proto__ as a field of a request", `{"type":"second:data:ping","requestId":"r","__proto__":{}}`,
			"invalid_message", "__proto__",
		},
	} {
		rows = append(
			rows,
			badInput{door: "socket", name: r.name, code: r.code, says: r.says, send: func(b *badDoor) verdict {
				return b.frame(r.frame, "r")
			}},
		)
	}
	return append(rows, badCursors()...)
}

// badCursors are no errors: the socket says that it resumes nothing and voids the copies, subscribe
// answers with the documents.
func badCursors() (rows []badInput) {
	for name, cursor := range cursorsBad() {
		rows = append(
			rows,
			badInput{door: "resume", name: name, code: "cursor_expired", send: func(b *badDoor) verdict {
				c := b.dial("cursor", cursor(b))
				require.False(b, c.Welcome.Resumed)
				m, err := c.Next(b.Context())
				require.NoError(b, err)
				require.Equal(b, protocol.TypeReset, m.Type)
				b.alive(c)
				return verdict{code: m.Reason, message: "a reset"}
			}},
			badInput{door: "subscribe", name: name, code: "", send: func(b *badDoor) verdict {
				c := b.dial("changes", "none")
				m, err := c.Call(
					b.Context(), protocol.Request{Type: protocol.TypeSubscribe, Collection: "c", Cursor: cursor(b)},
				)
				require.NoError(b, err)
				require.False(b, m.Resumed)
				require.Len(b, m.Docs, 2)
				b.alive(c)
				return verdict{}
			}},
		)
	}
	return rows
}

// cursorsBad are cursors that cannot be resumed, by what is wrong with them.
func cursorsBad() map[string]func(*badDoor) string {
	is := func(text string) func(*badDoor) string { return func(*badDoor) string { return text } }
	return map[string]func(*badDoor) string{
		"no cursor":               is("nonsense!"),
		"an empty one encoded":    is("AQ"),
		"bytes of chance":         is("AYJD-pJz70GipKo5WWkCa8ELrAAAAAAAAA"),
		"very long":               is(strings.Repeat("A", 4000)),
		"of another scope":        func(b *badDoor) string { return b.foreign },
		"of another database":     func(b *badDoor) string { return b.strange },
		"of the future":           func(b *badDoor) string { return b.future },
		"padded":                  func(b *badDoor) string { return b.foreign + "==" },
		"the stream's reset mark": is(protocol.ResetEventID),
	}
}
