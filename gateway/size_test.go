package gateway_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/conformance/client"
	"github.com/secondgate/secondgate/gateway"
	"github.com/secondgate/secondgate/protocol"
)

const mib = 1 << 20

// padded is an object of exactly so many bytes.
func padded(field string, size int) string {
	return fmt.Sprintf(`{"%s":%q}`, field, strings.Repeat("x", size-len(field)-len(`{"":""}`)))
}

// sized is a gateway and its clients, whose documents are too long to be printed.
type sized struct {
	*testing.T
	b backends.Backend
	rest
	socket *client.Client
}

func newSized(t *testing.T, b backends.Backend, change ...func(*gateway.Config)) *sized {
	s := &sized{T: t, b: b, rest: rest{t, serve(t, b, change...)}}
	socket, err := client.Dial(t.Context(), client.URL(s.url, here, "changes", "none"))
	require.NoError(t, err)
	t.Cleanup(socket.Cut)
	s.socket = socket
	return s
}

// stored has a document stored whatever its size, as a gateway with a higher limit does.
func (s *sized) stored(id, data string) {
	s.Helper()
	_, err := backends.WriteOne(s.Context(), s.b, backends.Tx{
		Scope: here, At: protocol.Millis(time.Now()),
		Writes: []backends.Write{{Op: backends.Insert, Collection: "c", ID: id, Data: []byte(data)}},
	})
	require.NoError(s, err)
}

// size is how large a document's data is.
func (s *sized) size(id string) int {
	s.Helper()
	ref := protocol.Ref{Scope: here, Collection: "c", ID: id}
	doc, _, err := s.b.Get(s.Context(), ref, nil)
	require.NoError(s, err)
	if doc == nil {
		return 0
	}
	return len(doc.Data)
}

// calls makes a request on the socket and returns the code that it is refused with.
func (s *sized) calls(r protocol.Request) protocol.Code {
	s.Helper()
	if r.Type != protocol.TypeBatch {
		r.Collection = "c"
	}
	if r.Writes() {
		r.MutationID = rand.Text()
	}
	for { // a busy machine needs more than the time of one request for 16 MiB
		m, err := s.socket.Call(s.Context(), r)
		require.NoError(s, err)
		switch {
		case m.Error == nil:
			return ""
		case !m.Error.Retryable:
			return m.Error.Code
		}
	}
}

// sends makes a request over REST and returns its status.
func (s *sized) sends(method, path, data string) int {
	s.Helper()
	for {
		status := s.do(method, dataPath+path, `{"collection":"c",`+data+`}`).status
		if status != http.StatusServiceUnavailable && status != http.StatusGatewayTimeout {
			return status
		}
	}
}

// has wants a text to hold a document with a field: its name and value are data without the braces.
func (s *sized) has(text, id, data string) {
	s.Helper()
	require.True(s, strings.Contains(text, `"_id":"`+id+`"`), "the document is not there")
	require.True(s, strings.Contains(text, data[1:len(data)-1]), "the document is another")
}

// readsEverywhere wants all doors to show a document.
func (s *sized) readsEverywhere(id, data string) {
	s.Helper()
	for _, path := range []string{"/" + id + "?collection=c", "?collection=c"} {
		got := s.do("GET", dataPath+path, "")
		require.Equal(s, http.StatusOK, got.status, "%.200s", got.body)
		s.has(got.body, id, data)
	}

	m, err := s.socket.Call(s.Context(), protocol.Request{Type: protocol.TypeDoc, Collection: "c", DocID: id})
	require.NoError(s, err)
	s.has(string(m.Doc), id, data)

	var docs []string
	for r := (protocol.Request{Type: protocol.TypeList, Collection: "c"}); ; r.After = m.Next {
		m, err = s.socket.Call(s.Context(), r)
		require.NoError(s, err)
		require.Nil(s, m.Error)
		require.NotEmpty(s, m.Docs, "a page has a document at least")
		for _, doc := range m.Docs {
			docs = append(docs, string(doc))
		}
		if m.Next == "" {
			break
		}
	}
	s.has(strings.Join(docs, ""), id, data)

	ctx, cancel := context.WithTimeout(s.Context(), time.Minute)
	defer cancel()
	stream := openStream(s, ctx, s.url+dataPath+"/stream", "Last-Event-ID: reset")
	s.has(string(stream.untilDoc(id).Doc), id, data)
	stream.cut()
}

// TestDocumentSizes: a document becomes no larger than the limit, on any door. One that is stored
// over it is served and changed like any other, up to 16 MiB.
func TestDocumentSizes(t *testing.T) {
	for name, h := range harnesses() {
		if testing.Short() && !isModel(h) { // with the race detector each request takes seconds
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSized(t, h.Open(t))
			limit := padded("p", mib)
			data := func(data string) string { return `"data":` + data }

			require.Equal(t, http.StatusCreated, s.sends("POST", "", `"docId":"a",`+data(limit)))
			s.readsEverywhere("a", limit)
			require.Equal(t, protocol.Code(""), s.calls(protocol.Request{
				Type: protocol.TypeInsert, DocID: "b", Data: []byte(limit),
			}))
			require.Equal(t, 413, s.sends("POST", "", `"docId":"n",`+data(padded("p", mib+1))))
			require.Equal(t, protocol.CodeTooLarge, s.calls(protocol.Request{
				Type: protocol.TypeInsert, DocID: "n", Data: []byte(padded("p", mib+1)),
			}))
			require.Equal(t, protocol.CodeTooLarge, s.calls(protocol.Request{
				Type: protocol.TypeUpsert, DocID: "n", Data: []byte(padded("p", mib+1)),
			}))
			require.Zero(t, s.size("n"))
			require.Equal(t, 413, s.sends("PATCH", "/a", data(`{"n":1}`)), "it cannot grow beyond")
			require.Equal(t, 413, s.sends("PATCH", "/a", data(padded("p", mib+1))))
			require.Equal(t, mib, s.size("a"))

			over := padded("p", 3*mib)
			s.stored("over", over)
			s.readsEverywhere("over", over)
			require.Equal(t, http.StatusOK, s.sends("PATCH", "/over", data(`{"n":1}`)))
			update := protocol.Request{
				Type: protocol.TypeUpdate, Collection: "c", DocID: "over", Data: []byte(`{"more":1}`),
			}
			require.Equal(t, protocol.Code(""), s.calls(update))
			update.Data = []byte(`{"again":1}`)
			require.Equal(t, protocol.Code(""), s.calls(protocol.Request{
				Type: protocol.TypeBatch, Operations: []protocol.Request{update},
			}))
			require.Equal(t, protocol.Code(""), s.calls(protocol.Request{
				Type: protocol.TypeUpsert, DocID: "over", Data: []byte(`{"upsert":1}`),
			}))
			require.Equal(t, protocol.Code(""), s.calls(protocol.Request{
				Type: protocol.TypeUpsert, Filter: []byte(`{"n":1}`), Data: []byte(`{"filter":1}`),
			}))
			require.Equal(t, 3*mib+len(`"n":1,"more":1,"again":1,"upsert":1,"filter":1,`), s.size("over"))
			if testing.Short() {
				return // with the race detector, 16 MiB take long
			}
			const huge = 15 * mib
			s.stored("huge", padded("p", huge))
			require.Equal(t, http.StatusOK, s.sends("PATCH", "/huge", data(padded("q", mib/2))))
			before := s.size("huge")
			require.Greater(t, before, huge+mib/2-10)
			require.Equal(t, 413, s.sends("PATCH", "/huge", data(padded("r", mib))))
			update.DocID, update.Data = "huge", []byte(padded("r", mib))
			require.Equal(t, protocol.CodeTooLarge, s.calls(update))
			require.Equal(t, before, s.size("huge"))
			require.Equal(t, http.StatusOK, s.sends("PATCH", "/huge", data(`{"p":1}`)))
			require.Equal(t, 413, s.sends("PATCH", "/huge", data(padded("r", mib))), "it is like any other again")
		})
	}
}

// TestLargestDocuments: with the highest limit, what a database stores can be written and read, and
// the rest is refused with a sentence.
func TestLargestDocuments(t *testing.T) {
	if testing.Short() {
		t.Log("the run without the race detector has it: documents of 16 MiB take long with it")
		return
	}
	for name, h := range harnesses() {
		t.Run(name, func(t *testing.T) {
			s := newSized(t, h.Open(t), func(c *gateway.Config) {
				c.Limits.DocumentBytes, c.Limits.FrameBytes = 16*mib, 17*mib
			})
			most := padded("p", 16*mib)
			// Each element of it is 14 bytes in MongoDB's form.
			numbers := `{"p":1,"n":[1` + strings.Repeat(",1", mib*3/2) + `]}`
			insert := func(id, data string) protocol.Code {
				return s.calls(protocol.Request{Type: protocol.TypeInsert, DocID: id, Data: []byte(data)})
			}
			require.Equal(t, protocol.CodeTooLarge, insert("n", padded("p", 16*mib+1)))
			refused := protocol.Code("")
			if name == "mongodb" {
				refused = protocol.CodeTooLarge
			}
			require.Equal(t, refused, insert("n", numbers))
			if refused == "" {
				require.Equal(t, http.StatusOK, s.do("DELETE", dataPath+"/n?collection=c", "").status)
			}
			require.Equal(t, refused, insert("a", most))
			if refused != "" {
				require.Equal(t, http.StatusOK, s.do("GET", dataPath+"?collection=c", "").status, "it works on")
				most = padded("p", 16*mib-32<<10)
				require.Equal(t, protocol.Code(""), insert("a", most))
			}
			s.readsEverywhere("a", most)
			other := strings.ReplaceAll(most, "x", "y")
			require.Equal(t, protocol.Code(""), s.calls(protocol.Request{
				Type: protocol.TypeUpdate, DocID: "a", Data: []byte(other),
			}))
			require.Equal(t, http.StatusOK, s.sends("PATCH", "/a", `"data":`+most))
			require.Equal(t, 413, s.sends("PATCH", "/a", `"data":`+padded("q", 64<<10)))
			require.Equal(t, len(most), s.size("a"))
			require.Equal(t, http.StatusOK, s.do("DELETE", dataPath+"/a?collection=c", "").status)
		})
	}
}

// TestDocumentLargerThanTheMemory: a document that the budget for clients has no room for is read
// all the same, alone.
func TestDocumentLargerThanTheMemory(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Log("the run without the race detector has it: documents of 16 MiB take long with it")
		return
	}
	s := newSized(t, harnesses()["model"].Open(t), func(c *gateway.Config) { c.MemoryBytes = 16 * mib })
	most := padded("p", 15*mib)
	s.stored("a", most)
	s.readsEverywhere("a", most)
}
