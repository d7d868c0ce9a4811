package wire

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/secondgate/secondgate/conformance/client"
	"github.com/secondgate/secondgate/protocol"
)

// peer is a WebSocket whose every message is noted in the order it came.
type peer struct {
	*client.Client
	r     *trial
	scope protocol.Scope
	seen  []protocol.Received
	// asked is how much had been seen when the last request was sent: its changes may come before
	// its answer.
	asked int
	// changed is the index in seen of the last change that was found. The search for the next
	// bookmark begins at mark.
	changed, mark int
}

// dial connects to the rule's scope; parameters are the URL's, in pairs.
func (r *trial) dial(parameters ...string) *peer { return r.dialScope(r.scope, parameters...) }

func (r *trial) dialScope(s protocol.Scope, parameters ...string) *peer {
	ctx, cancel := context.WithTimeout(r.ctx, r.target.wait())
	defer cancel()
	c, err := client.Dial(ctx, client.URL(r.target.URL, s, parameters...))
	r.must(err == nil, "connecting: %v", err)
	r.Cleanup(c.Cut)
	return &peer{Client: c, r: r, scope: s}
}

// next is the next message.
func (p *peer) next() protocol.Received { return p.nextWithin(p.r.target.wait()) }

func (p *peer) nextWithin(d time.Duration) protocol.Received {
	ctx, cancel := context.WithTimeout(p.r.ctx, d)
	defer cancel()
	m, err := p.Next(ctx)
	p.r.must(err == nil, "the connection ended, or nothing came for %v: %v; seen: %s", d, err, p.story())
	p.seen = append(p.seen, m)
	return m
}

// send sends a request without waiting for its answer, and returns its requestId.
func (p *peer) send(q protocol.Request) string {
	p.asked = len(p.seen)
	id, err := p.Send(p.r.ctx, q)
	p.r.must(err == nil, "sending %s: %v", q.Type, err)
	return id
}

// sendText sends a frame as it is.
func (p *peer) sendText(frame string) {
	err := p.SendText(p.r.ctx, []byte(frame))
	p.r.must(err == nil, "the connection has ended: %v", err)
}

// answer reads up to the answer to a request.
func (p *peer) answer(id string) protocol.Received {
	m := p.until("the answer to request "+id, func(m protocol.Received) bool {
		return m.RequestID == id && strings.HasSuffix(string(m.Type), protocol.ResponseSuffix)
	})
	p.mark = len(p.seen)
	return m
}

// call makes a request, whatever its answer.
func (p *peer) call(q protocol.Request) protocol.Received { return p.answer(p.send(q)) }

// do makes a request and wants it carried out.
func (p *peer) do(q protocol.Request) protocol.Received {
	m := p.call(q)
	p.r.must(m.Error == nil, "%s was refused: %+v", q.Type, m.Error)
	p.r.want("type of the answer", m.Type, q.Type+protocol.ResponseSuffix)
	return m
}

// refused makes a request and wants it refused with the code.
func (p *peer) refused(want protocol.Code, q protocol.Request) protocol.Received {
	m := p.call(q)
	p.r.must(m.Error != nil, "%s %s was carried out: want %s", q.Type, q.DocID, want)
	p.r.want("code of "+string(q.Type)+" "+q.DocID, m.Error.Code, want)
	return m
}

// until reads messages up to the first that is wanted.
func (p *peer) until(what string, wanted func(protocol.Received) bool) protocol.Received {
	for over := time.Now().Add(p.r.target.wait()); ; {
		m := p.next()
		if wanted(m) {
			return m
		}
		p.r.must(time.Now().Before(over), "%s did not come within %v; seen: %s", what, p.r.target.wait(), p.story())
	}
}

// bookmark is the next bookmark after the change, answer or bookmark that was looked at last.
// Changes before it have been looked at then.
func (p *peer) bookmark() string {
	m, at := p.from(
		p.mark, "a bookmark", func(m protocol.Received) bool { return m.Type == protocol.TypeBookmark },
	)
	p.changed, p.mark = max(p.changed, at+1), at+1
	return m.Cursor
}

func (p *peer) untilType(t protocol.Type) protocol.Received {
	return p.until(string(t), func(m protocol.Received) bool { return m.Type == t })
}

// change is a document's next change, after the one that was looked at last. That of a write by
// this connection may have come before the write's answer.
func (p *peer) change(collection, id string) protocol.Received {
	m, at := p.from(max(p.asked, p.changed), "a change of "+id, func(m protocol.Received) bool {
		return m.Type == protocol.TypeChange && m.Collection == collection && m.DocID == id
	})
	p.changed, p.mark = at+1, at+1
	return m
}

// from is the first message that is wanted, from a place among those seen on, and its own place.
func (p *peer) from(place int, what string, wanted func(protocol.Received) bool) (protocol.Received, int) {
	if i := slices.IndexFunc(p.seen[place:], wanted); i >= 0 {
		return p.seen[place+i], place + i
	}
	m := p.until(what, wanted)
	return m, len(p.seen) - 1
}

// reach reads until the stream has told all that is committed, and the bookmark after that: the
// writer makes a last document, which is told then.
func (p *peer) reach(writer *peer, collection string) {
	writer.insert(collection, "last", `{}`)
	p.change(collection, "last")
	p.bookmark()
}

// settled reads up to the settlement of a request.
func (p *peer) settled(id string) {
	p.until(
		"settled of request "+id,
		func(m protocol.Received) bool { return m.Type == protocol.TypeSettled && m.RequestID == id },
	)
}

// changes are those of a collection that have been seen, from a message on.
func (p *peer) changes(collection string, from int) (changes []protocol.Received) {
	for _, m := range p.seen[from:] {
		if m.Type == protocol.TypeChange && m.Collection == collection {
			changes = append(changes, m)
		}
	}
	return changes
}

func (p *peer) insert(collection, id, data string) protocol.Received {
	return p.do(insert(collection, id, data))
}

func (p *peer) upsert(collection, id, data string) protocol.Received {
	return p.do(upsert(collection, id, data))
}

func (p *peer) delete(collection, id string) { p.do(remove(collection, id)) }

// list is a whole collection, page by page.
func (p *peer) list(collection string) (docs []string) {
	for q := (protocol.Request{Type: protocol.TypeList, Collection: collection}); ; {
		m := p.do(q)
		for _, d := range m.Docs {
			docs = append(docs, string(d))
		}
		if q.After = m.Next; q.After == "" {
			return docs
		}
	}
}

// listed is a whole collection by id.
func (p *peer) listed(collection string) map[string]string { return byID(p.list(collection)) }

func byID(docs []string) map[string]string {
	all := map[string]string{}
	for _, d := range docs {
		all[idOf([]byte(d))] = d
	}
	return all
}

// fold applies what has been seen of a collection to a copy, in its order: lists, pages and
// changes.
func fold(docs map[string]string, collection string, seen []protocol.Received) {
	paging := false
	for _, m := range seen {
		if m.Collection != collection || m.Error != nil {
			continue
		}
		switch {
		case slices.Contains(
			[]protocol.Type{
				protocol.TypeList + protocol.ResponseSuffix, protocol.TypeSubscribe + protocol.ResponseSuffix,
			},
			m.Type,
		):
			if !paging && !m.Resumed {
				clear(docs)
			}
			for _, d := range m.Docs {
				docs[idOf(d)] = string(d)
			}
			paging = m.Next != ""
		case m.Type == protocol.TypeChange && m.Operation == "delete":
			delete(docs, m.DocID)
		case m.Type == protocol.TypeChange:
			docs[m.DocID] = string(m.Doc)
		}
	}
}

// story is the messages seen, the last hundred of them, for people.
func (p *peer) story() string {
	var parts []string
	for _, m := range p.seen[max(0, len(p.seen)-100):] {
		part := strings.TrimPrefix(string(m.Type), "second:data:")
		parts = append(parts, strings.TrimSpace(part+" "+m.RequestID+" "+m.DocID))
	}
	return strings.Join(parts, ", ")
}
