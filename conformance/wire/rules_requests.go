package wire

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/secondgate/secondgate/protocol"
)

var requestRules = []Rule{
	{
		ID: "ws/order",
		Says: "pipelined requests take effect in the order sent, and a read sees every write sent " +
			"before it",
		Check: func(r *trial) {
			c, p := r.named("notes"), r.dial("changes", "none")
			for round := range 3 { // each round as many at once as the gateway takes
				var sent []string
				for i := range p.Welcome.Limits.Requests / 6 {
					id := fmt.Sprintf("d%d-%d", round, i)
					for _, q := range []protocol.Request{
						insert(c, id, `{"n":1}`), update(c, id, `{"n":2}`), doc(c, id), list(c), remove(c, id), doc(c, id),
					} {
						sent = append(sent, p.send(q))
					}
				}
				for n, request := range sent {
					m := p.answer(request)
					r.must(m.Error == nil, "request %s: %+v", request, m.Error)
					switch n % 6 {
					case 2:
						r.must(strings.Contains(string(m.Doc), `"n":2`), "the read misses the write before it: got %s", m.Doc)
					case 3:
						whole := len(m.Docs) == 1 && strings.Contains(string(m.Docs[0]), `"n":2`)
						r.must(whole, "the list misses the writes before it: got %s", m.Docs)
					case 5:
						r.want("document after its delete", string(m.Doc), "null")
					}
				}
			}
		},
	},
	{
		ID:   "ws/answered-once",
		Says: "every request is answered exactly once, with its own requestId and its own type",
		Check: func(r *trial) {
			c, p := r.named("notes"), r.dial("changes", "none")
			requests := []protocol.Request{
				list(
					c,
				), doc(c, "a"), insert(c, "a", `{}`), update(c, "a", `{}`),
				upsert(c, "a", `{}`), batch(upsert(c, "a", `{}`)),
				subscribe(c, "", ""), unsubscribe(c, ""), remove(c, "a"), {Type: protocol.TypePing},
			}
			want, got := map[string]string{}, map[string]string{}
			for i, q := range requests {
				q.RequestID = fmt.Sprintf("ask %d é \"", i)
				want[p.send(q)] = string(q.Type) + protocol.ResponseSuffix
			}
			last := p.send(protocol.Request{Type: protocol.TypePing})
			p.answer(last)
			for _, m := range p.seen {
				if strings.HasSuffix(string(m.Type), protocol.ResponseSuffix) && m.RequestID != last {
					r.must(got[m.RequestID] == "", "request %s was answered twice", m.RequestID)
					r.must(m.Error == nil, "request %s: %+v", m.RequestID, m.Error)
					got[m.RequestID] = string(m.Type)
				}
			}
			r.want("answers", got, want)
		},
	},
	{
		ID:   "ws/ping",
		Says: "second:data:ping is answered after all requests that were sent before it",
		Check: func(r *trial) {
			c, p := r.named("notes"), r.dial()
			for i := range 10 {
				p.send(insert(c, fmt.Sprint("d", i), `{}`))
			}
			p.do(protocol.Request{Type: protocol.TypePing})
			r.want("answers before the ping's", strings.Count(p.story(), "insert-response"), 10)
		},
	},
	{
		ID:   "ws/unknown-field",
		Says: "a request with an unknown field is refused by the field's name and has no effect",
		Check: func(r *trial) {
			c, p := r.named("notes"), r.dial()
			p.insert(c, "a", `{"n":1}`)
			for i, text := range []string{
				`{"type":"second:data:update","requestId":"%d","collection":"%s","docId":"a","data":{"n":2},"ifrev":"x"}`,
				`{"type":"second:data:delete","requestId":"%d","collection":"%s","docId":"a","ifrev":"x"}`,
				`{"type":"second:data:insert","requestId":"%d","collection":"%s","data":{},"ifrev":"x"}`,
				`{"type":"second:data:list","requestId":"%d","collection":"%s","ifrev":"x"}`,
				`{"type":"second:data:batch","requestId":"%d",` +
					`"operations":[{"operation":"delete","collection":"%s","docId":"a","ifrev":"x"}]}`,
			} {
				p.sendText(fmt.Sprintf(text, 100+i, c))
				m := p.answer(fmt.Sprint(100 + i))
				r.must(m.Error != nil, "%s was carried out", text)
				r.want("code", m.Error.Code, protocol.CodeInvalidMessage)
				r.must(
					strings.Contains(m.Error.Message, "ifrev"), "message: got %q want the field's name in it",
					m.Error.Message,
				)
			}
			r.want("documents", len(p.list(c)), 1)
		},
	},
	{
		ID:   "ws/source",
		Says: "the field source is tolerated in any request",
		Check: func(r *trial) {
			c, p := r.named("notes"), r.dial()
			for i, text := range []string{
				`{"type":"second:data:insert","requestId":"%d","collection":"%s","docId":"a","data":{},"source":"app"}`,
				`{"type":"second:data:list","requestId":"%d","source":{"frame":[1]},"collection":"%s"}`,
				`{"type":"second:data:delete","requestId":"%d","collection":"%s","docId":"a","source":null}`,
			} {
				p.sendText(fmt.Sprintf(text, 100+i, c))
				m := p.answer(fmt.Sprint(100 + i))
				r.must(m.Error == nil, "%s: %+v", text, m.Error)
			}
		},
	},
	{
		ID: "ws/error-in-own-answer",
		Says: "a bad request is refused in its own answer with an empty payload, and the connection " +
			"goes on",
		Check: func(r *trial) {
			c, p := r.named("notes"), r.dial()
			p.insert(c, "a", `{"n":1}`)
			long := strings.Repeat("x", protocol.MaxName+1)
			for _, bad := range []struct {
				code protocol.Code
				q    protocol.Request
			}{
				{protocol.CodeAlreadyExists, insert(c, "a", `{}`)},
				{protocol.CodeInvalidID, insert(c, "../x", `{}`)},
				{protocol.CodeInvalidID, insert(c, strings.Repeat("a", 24), `{}`)},
				{protocol.CodeInvalidID, insert(c, long, `{}`)},
				{protocol.CodeInvalidID, insert(c+"\n", "b", `{}`)},
				{protocol.CodeInvalidID, insert(long, "b", `{}`)},
				{protocol.CodeInvalidDocument, insert(c, "b", `{"_id":"c"}`)},
				{protocol.CodeInvalidDocument, insert(c, "b", `{"a":"\ud800"}`)},
				{protocol.CodeInvalidMessage, insert(c, "b", `[]`)},
				{protocol.CodeInvalidMessage, protocol.Request{Type: protocol.TypeInsert, Collection: c}},
				{
					protocol.CodeInvalidMessage,
					protocol.Request{Type: protocol.TypeUpdate, Collection: c, Data: []byte(`{}`)},
				},
				{protocol.CodeNotFound, update(c, "none", `{}`)},
				{protocol.CodeNotFound, remove(c, "none")},
				{protocol.CodeConflict, ifRev(update(c, "a", `{}`), "stale")},
				{protocol.CodeConflict, ifRev(remove(c, "a"), "stale")},
				{protocol.CodeInvalidFilter, find(c, `{"a":{"$gt":1}}`, `{}`)},
				{protocol.CodeNotFound, upsert(c, strings.Repeat("a", 24), `{}`)},
				{
					protocol.CodeInvalidMessage,
					protocol.Request{
						Type: protocol.TypeUpsert, Collection: c, DocID: "a", Filter: []byte(`{}`), Data: []byte(`{}`),
					},
				},
				{protocol.CodeInvalidMessage, batch(batch())},
				{protocol.CodeNotFound, batch(insert(c, "b", `{}`), remove(c, "none"))},
				{protocol.CodeInvalidCursor, protocol.Request{Type: protocol.TypeList, Collection: c, After: "garbage"}},
				{protocol.CodeInvalidMessage, protocol.Request{Type: protocol.TypeDoc, Collection: c}},
				{protocol.CodeInvalidMessage, subscribe(c, "", "")},
				{protocol.CodeUnknownType, protocol.Request{Type: "second:data:nothing"}},
			} {
				m := p.refused(bad.code, bad.q)
				r.want("type of the answer", m.Type, bad.q.Type+protocol.ResponseSuffix)
				r.want("retryable", m.Error.Retryable, bad.code.Info().Retryable)
				r.must(m.Error.Message != "", "message: got none want a sentence")
				r.must(
					len(m.Docs) == 0 && len(m.Results) == 0 && (m.Doc == nil || string(m.Doc) == "null"),
					"payload of a refusal: got %+v want none", m,
				)
			}
			r.must(
				len(p.list(c)) == 1 && strings.Contains(p.list(c)[0], `"n":1`), "a refused request had an effect: got %v",
				p.list(c),
			)
		},
	},
	{
		ID:   "ws/empty-strings",
		Says: "a string of a request must not be empty",
		Check: func(r *trial) {
			c, p := r.named("notes"), r.dial()
			for i, text := range []string{
				`{"type":"second:data:list","requestId":"%d","collection":""}`,
				`{"type":"second:data:insert","requestId":"%d","collection":"C","docId":"","data":{}}`,
				`{"type":"second:data:insert","requestId":"%d","collection":"C","mutationId":"","data":{}}`,
				`{"type":"second:data:delete","requestId":"%d","collection":"C","docId":"a","ifRev":""}`,
				`{"type":"second:data:list","requestId":"%d","collection":"C","after":""}`,
				`{"type":"second:data:list","requestId":"%d","collection":"C","limit":0}`,
			} {
				p.sendText(strings.ReplaceAll(fmt.Sprintf(text, 100+i), `"C"`, `"`+c+`"`))
				m := p.answer(fmt.Sprint(100 + i))
				r.must(m.Error != nil, "%s was carried out", text)
				r.want("code of "+text, m.Error.Code, protocol.CodeInvalidMessage)
			}
		},
	},
}

// frameRules are about frames that are no requests.
var frameRules = []Rule{
	{
		ID:   "ws/error-unanswerable",
		Says: "a frame that no answer can name gets second:data:error, and the connection goes on",
		Check: func(r *trial) {
			p := r.dial()
			for _, c := range []struct {
				frame string
				code  protocol.Code
			}{
				{"{", protocol.CodeInvalidJSON}, {"", protocol.CodeInvalidJSON}, {
					"{} {}", protocol.CodeInvalidJSON,
				}, {"[]", protocol.CodeInvalidMessage}, {
					"null", protocol.CodeInvalidMessage,
				},
				{`{"type":"second:data:ping"}`, protocol.CodeInvalidMessage}, {
					`{"type":"second:data:ping","requestId":7}`, protocol.CodeInvalidMessage,
				},
				{`{"type":"second:data:ping","requestId":"a","requestId":"a"}`, protocol.CodeInvalidDocument},
			} {
				p.sendText(c.frame)
				m := p.untilType(protocol.TypeError)
				r.must(m.Error != nil, "%s was answered without an error", c.frame)
				r.want("code of "+c.frame, m.Error.Code, c.code)
			}
			p.do(protocol.Request{Type: protocol.TypePing})
		},
	},
	{
		ID: "ws/error-addressed",
		Says: "a frame that breaks the rules of JSON is answered under its requestId where that can " +
			"be read",
		Check: func(r *trial) {
			p := r.dial()
			p.sendText(`{"type":"second:data:insert","requestId":"mine","collection":"c","data":{"a":1,"a":2}}`)
			m := p.answer("mine")
			r.must(
				m.Error != nil && m.Error.Code == protocol.CodeInvalidDocument, "error: got %+v want invalid_document",
				m.Error,
			)
		},
	},
	{
		ID:   "ws/frame-json",
		Says: "the rules of JSON hold for whole frames, not for data alone",
		Check: func(r *trial) {
			p := r.dial()
			for i, text := range []string{
				`"source":"\ud800"`, `"source":1e400`, `"source":{"a":1,"a":2}`, `"source":9007199254740993`,
			} {
				p.sendText(fmt.Sprintf(`{"type":"second:data:ping","requestId":"r%d",%s}`, i, text))
				m := p.answer(fmt.Sprint("r", i))
				r.must(
					m.Error != nil && m.Error.Code == protocol.CodeInvalidDocument, "%s: got %+v want invalid_document",
					text, m.Error,
				)
			}
		},
	},
	{
		ID: "ws/unknown-messages",
		Says: "every message of the gateway is an object with a string type, in a frame of its own " +
			"or in an array",
		Check: func(r *trial) {
			c, conn := r.named("notes"), r.open()
			for i := range 5 {
				q := insert(c, fmt.Sprint("d", i), `{}`)
				q.RequestID = fmt.Sprint("q", i)
				r.must(conn.Write(r.ctx, 1, q.Append(nil)) == nil, "the connection has ended")
			}
			for settled := 0; settled < 5; {
				_, frame, err := conn.Read(r.ctx)
				r.must(err == nil, "the connection has ended: %v", err)
				for _, m := range messagesOf(r, frame) {
					r.must(strings.HasPrefix(m.Type, "second:data:"), "type: got %q in %s", m.Type, frame)
					if m.Type == string(protocol.TypeSettled) {
						settled++
					}
				}
			}
		},
	},
}

type typed struct {
	Type string `json:"type"`
}

func messagesOf(r *trial, frame []byte) (messages []typed) {
	if frame[0] == '[' {
		r.must(json.Unmarshal(frame, &messages) == nil, "a frame is no array of messages: %s", frame)
		return messages
	}
	var one typed
	r.must(json.Unmarshal(frame, &one) == nil, "a frame is no message: %s", frame)
	return []typed{one}
}
