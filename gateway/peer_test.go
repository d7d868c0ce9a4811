package gateway_test

import (
	"encoding/json"
	"maps"
	"strings"

	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/conformance"
	"github.com/secondgate/secondgate/conformance/client"
	"github.com/secondgate/secondgate/protocol"
)

var here = protocol.Scope{Workspace: "w", App: "a"}

// peer is a client that notes every message in the order it came.
type peer struct {
	*client.Client
	r    *trial
	seen []protocol.Received
}

func (r *trial) dial(parameters ...string) *peer { return r.dialScope(here, parameters...) }

func (r *trial) dialScope(s protocol.Scope, parameters ...string) *peer {
	r.Helper()
	c, err := client.Dial(r.ctx, client.URL(r.url, s, parameters...))
	r.must(err == nil, "%v", err)
	r.Cleanup(c.Cut)
	p := &peer{Client: c, r: r}
	c.Seen = func(m protocol.Received) { p.seen = append(p.seen, m) }
	return p
}

// do makes a request and wants it carried out.
func (p *peer) do(q protocol.Request) protocol.Received {
	p.r.Helper()
	m, err := p.Call(p.r.ctx, q)
	p.r.must(err == nil, "%s: %v", q.Type, err)
	p.r.must(m.Error == nil, "%s was refused: %+v", q.Type, m.Error)
	return m
}

// refused makes a request and wants it refused.
func (p *peer) refused(q protocol.Request) protocol.Code {
	p.r.Helper()
	m, err := p.Call(p.r.ctx, q)
	p.r.must(err == nil, "%s: %v", q.Type, err)
	p.r.must(m.Error != nil, "%s was carried out", q.Type)
	return m.Error.Code
}

func (p *peer) insert(collection, id, data string) protocol.Received {
	p.r.Helper()
	return p.do(
		protocol.Request{Type: protocol.TypeInsert, Collection: collection, DocID: id, Data: []byte(data)},
	)
}

func (p *peer) list(collection string) protocol.Received {
	p.r.Helper()
	return p.do(protocol.Request{Type: protocol.TypeList, Collection: collection})
}

// until reads messages, noting them, up to the first of a type.
func (p *peer) until(t protocol.Type) protocol.Received {
	p.r.Helper()
	for {
		m := p.next()
		if m.Type == t {
			return m
		}
	}
}

func (p *peer) next() protocol.Received {
	p.r.Helper()
	m, err := p.Next(p.r.ctx)
	p.r.must(err == nil, "the connection ended: %v; seen: %s", err, p.story())
	p.seen = append(p.seen, m)
	return m
}

// quiet tells what has come up to now: a ping is answered after it.
func (p *peer) quiet() []protocol.Received {
	p.r.Helper()
	from := len(p.seen)
	p.do(protocol.Request{Type: protocol.TypePing})
	return p.seen[from : len(p.seen)-1]
}

// story is the messages seen, for people.
func (p *peer) story() string {
	var parts []string
	for _, m := range p.seen {
		part := strings.TrimPrefix(string(m.Type), "second:data:")
		parts = append(parts, strings.TrimSpace(part+" "+m.DocID))
	}
	return strings.Join(parts, ", ")
}

// copyOf folds what a peer has seen of a collection.
func copyOf(collection string, seen []protocol.Received) map[string]string {
	docs := map[string]string{}
	for _, m := range seen {
		if m.Collection != collection {
			continue
		}
		switch {
		case m.Type == protocol.TypeList+protocol.ResponseSuffix:
			clear(docs)
			for _, d := range m.Docs {
				docs[idOf(d)] = string(d)
			}
		case m.Operation == "delete":
			delete(docs, m.DocID)
		case m.Type == protocol.TypeChange:
			docs[m.DocID] = string(m.Doc)
		}
	}
	return docs
}

func idOf(doc json.RawMessage) string {
	var d struct {
		ID string `json:"_id"`
	}
	_ = json.Unmarshal(doc, &d) // the comparison fails without it
	return d.ID
}

func stepInsert(ref protocol.Ref, data string) conformance.Step {
	return conformance.Step{Kind: "insert", Ref: ref, Data: data}
}

// logOnly lets require print a difference without failing: the rule does that.
type logOnly struct {
	t interface{ Logf(string, ...any) }
}

func (q logOnly) Errorf(format string, args ...any) { q.t.Logf(format, args...) }
func (q logOnly) FailNow()                          {}

// catchUp reads until the last of the writer's documents has come, and the bookmark after it.
func (p *peer) catchUp(writer *peer) {
	p.r.Helper()
	writer.insert("c", "last", `{}`)
	for p.until(protocol.TypeChange).DocID != "last" {
	}
	p.until(protocol.TypeBookmark)
}

// sameAs wants a copy to be what the writer lists.
func (r *trial) sameAs(docs map[string]string, writer *peer) {
	r.Helper()
	want := copyOf("c", []protocol.Received{writer.list("c")})
	if !maps.Equal(docs, want) {
		require.Equal(logOnly{r}, want, docs)
		r.broken("the copy has %d documents, the database %d", len(docs), len(want))
	}
}

func subscribe(collection, id, cursor string) protocol.Request {
	return protocol.Request{Type: protocol.TypeSubscribe, Collection: collection, DocID: id, Cursor: cursor}
}
