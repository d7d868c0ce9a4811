package gateway

import (
	"bytes"
	"cmp"
	"context"
	"hash/maphash"
	"maps"
	"math"
	"net/http"
	"slices"
	"strconv"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/protocol"
)

const (
	// restPage is about how much of a list is read at once, in bytes.
	restPage = 256 << 10
	// heldList is how much of a list is held back before its status goes out, in bytes.
	heldList = 1 << 20
)

// serveList is GET …/data?collection=c, or without a collection all of them.
func (g *Gateway) serveList(c *call, w http.ResponseWriter, r *http.Request) *protocol.Error {
	if c.collection == "" {
		return g.serveCollections(c, w, r)
	}
	walk, refused := g.walkOf(c)
	if refused != nil {
		return refused
	}
	out := &longAnswer{w: w, out: g.newOut(r.Context(), w), max: g.config.ListBytes}
	out.fits = func() bool { return g.fits(r.Context(), c, out.weight(walk.told)) }
	out.add([]byte(`{"docs":[`))
	if refused := g.tellDocs(r.Context(), c, walk, out, w.Header()); refused != nil {
		return g.cutList(c, out, refused)
	}
	end := []byte("]")
	if walk.limited && walk.after != "" {
		end = protocol.AppendString(append(end, `,"next":`...), walk.after)
	}
	return g.cutList(c, out, out.end(append(end, "}\n"...)))
}

// tellDocs adds the documents of a walk. The cursor of the list is that of its first page: the stream from there
// repairs what the later pages saw of what came after.
func (g *Gateway) tellDocs(ctx context.Context, c *call, walk *walk, out *longAnswer, header http.Header) *protocol.Error {
	var buffer []byte
	for first := true; ; {
		docs, refused := walk.next(ctx)
		if refused != nil {
			return refused
		}
		if header != nil && header.Get("Second-Cursor") == "" {
			header.Set("Second-Cursor", protocol.EncodeCursor(c.scope, walk.cursor.Append(nil)))
		}
		buffer = buffer[:0]
		for i := range docs {
			if !first {
				buffer = append(buffer, ',')
			}
			first = false
			buffer = protocol.AppendDocument(buffer, &docs[i], c.rev)
		}
		if refused := out.add(buffer); refused != nil || walk.done {
			return refused
		}
	}
}

// cutList ends a list that failed. Once its status has gone out only a connection that breaks tells that: a body
// that ends well would pass for the whole list.
func (g *Gateway) cutList(c *call, out *longAnswer, refused *protocol.Error) *protocol.Error {
	if refused == nil {
		return nil
	}
	if refused.Code == protocol.CodeListTooLarge {
		g.config.Log.Warn("a list is too large", "scope", c.scope.String(), "collection", c.collection, "limit", out.max)
	}
	if out.begun {
		panic(http.ErrAbortHandler)
	}
	return refused
}

// fits tells whether a list of documents like those told so far will stay within the limit. One that may not is
// weighed first, so that it can be refused with a status.
func (g *Gateway) fits(ctx context.Context, c *call, average int) bool {
	counts, err := g.store.Collections(ctx, c.scope)
	if err != nil || counts[c.collection]*average < g.config.ListBytes/2 {
		return true
	}
	walk, refused := g.walkOf(c)
	for total := 0; refused == nil && !walk.done; {
		var docs []protocol.Document
		docs, refused = walk.next(ctx)
		for i := range docs {
			total += len(docs[i].Data) + len(docs[i].ID) + documentFrame
		}
		if total > g.config.ListBytes {
			return false
		}
	}
	return true
}

// documentFrame is what an encoded document has beside its data and id: names, times and a comma.
const documentFrame = len(`{"_id":"","_createdAt":"2006-01-02T15:04:05.000Z","_updatedAt":"2006-01-02T15:04:05.000Z"},`)

// serveCollections is GET …/data: every collection by name, with its documents. It carries no cursor, because counting
// tells none.
func (g *Gateway) serveCollections(c *call, w http.ResponseWriter, r *http.Request) *protocol.Error {
	names, refused := g.collections(r.Context(), c.scope)
	if refused != nil {
		return refused
	}
	out := &longAnswer{w: w, out: g.newOut(r.Context(), w), max: g.config.ListBytes}
	out.add([]byte(`{"collections":[`))
	for i, name := range names {
		if i > 0 {
			out.add([]byte{','})
		}
		out.add(append(protocol.AppendString([]byte(`{"name":`), name), `,"docs":[`...))
		walk := newWalk(g.store, c.scope, name)
		if refused := g.tellDocs(r.Context(), c, walk, out, nil); refused != nil {
			return g.cutList(c, out, refused)
		}
		// The count comes last, because it is of the documents that were told.
		if refused := out.add(append(strconv.AppendInt([]byte(`],"count":`), int64(walk.told), 10), '}')); refused != nil {
			return g.cutList(c, out, refused)
		}
	}
	return g.cutList(c, out, out.end([]byte("]}\n")))
}

// collections are the names of the collections that have documents, in order.
func (g *Gateway) collections(ctx context.Context, s protocol.Scope) (names []string, refused *protocol.Error) {
	refused = patiently(ctx, func(ctx context.Context) *protocol.Error {
		counts, err := g.store.Collections(ctx, s)
		if err != nil {
			return g.store.failure(&protocol.Request{Type: protocol.TypeList}, err)
		}
		names = slices.Sorted(maps.Keys(counts))
		return nil
	})
	return names, refused
}

// walk reads a collection page by page. Pages are separate reads: a document that moved to the front meanwhile is
// missing, which the stream tells; one that moved back would come twice, and is told once.
type walk struct {
	store      *Store
	scope      protocol.Scope
	collection string
	after      string
	limited    bool
	left       int
	told       int
	done       bool
	cursor     backends.Cursor // of the first page
	seen       map[[2]uint64]struct{}
	seeds      [2]maphash.Seed
}

func newWalk(s *Store, scope protocol.Scope, collection string) *walk {
	return &walk{store: s, scope: scope, collection: collection, left: math.MaxInt}
}

// walkOf is the walk that a list's URL asks for.
func (g *Gateway) walkOf(c *call) (*walk, *protocol.Error) {
	w := newWalk(g.store, c.scope, c.collection)
	w.after = c.query.Get("after")
	if !c.query.Has("limit") {
		return w, nil
	}
	n, err := strconv.Atoi(c.query.Get("limit"))
	if err != nil || n < 1 || n > math.MaxInt32 {
		return nil, protocol.Errorf(protocol.CodeInvalidMessage, "limit must be an integer of at least 1")
	}
	w.limited, w.left = true, n
	return w, nil
}

// next is the next page.
func (w *walk) next(ctx context.Context) ([]protocol.Document, *protocol.Error) {
	request := &protocol.Request{Type: protocol.TypeList, Collection: w.collection, After: w.after}
	if w.limited {
		request.Limit = w.left
	}
	var a protocol.Answer
	refused := patiently(ctx, func(ctx context.Context) *protocol.Error {
		var at backends.Cursor
		a, at = w.store.List(ctx, w.scope, request, w.cursor, restPage)
		if a.Err == nil && w.cursor == nil {
			w.cursor = at
		}
		return a.Err
	})
	if refused != nil {
		return nil, refused
	}
	first := w.told == 0 && w.seen == nil
	w.after = a.Next
	docs := w.unseen(a.Docs, first && a.Next == "")
	w.told += len(docs)
	w.left -= len(docs)
	w.done = a.Next == "" || w.left == 0
	return docs, nil
}

// unseen leaves out what was told already, by 128 bits of a hash. A list of one page needs no memory.
func (w *walk) unseen(docs []protocol.Document, only bool) []protocol.Document {
	if only {
		return docs
	}
	if w.seen == nil {
		w.seen = map[[2]uint64]struct{}{}
		w.seeds = [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}
	}
	return slices.DeleteFunc(docs, func(d protocol.Document) bool {
		key := [2]uint64{maphash.String(w.seeds[0], d.ID), maphash.String(w.seeds[1], d.ID)}
		_, again := w.seen[key]
		w.seen[key] = struct{}{}
		return again
	})
}

// longAnswer is a list on its way out: held back until it is over or long, then streamed.
type longAnswer struct {
	out   *out
	held  bytes.Buffer
	bytes int
	max   int
	w     http.ResponseWriter
	begun bool
	// fits, if set, is asked once, before the status goes out.
	fits func() bool
}

// weight is the average size of so many documents, in bytes.
func (a *longAnswer) weight(docs int) int { return a.bytes / cmp.Or(docs, 1) }

// add fails with list_too_large, or when the peer is gone.
func (a *longAnswer) add(p []byte) *protocol.Error {
	if a.bytes += len(p); a.bytes > a.max {
		return errListTooLarge(a.max)
	}
	if a.begun {
		return a.pass(p)
	}
	a.held.Write(p)
	if a.held.Len() < heldList {
		return nil
	}
	if a.fits != nil && !a.fits() {
		return errListTooLarge(a.max)
	}
	return a.begin()
}

func errListTooLarge(limit int) *protocol.Error {
	return protocol.Errorf(protocol.CodeListTooLarge, "the list is over %d bytes: page it with limit and after", limit)
}

func (a *longAnswer) begin() *protocol.Error {
	a.begun = true
	a.w.Header().Set("Content-Type", "application/json")
	a.w.WriteHeader(http.StatusOK)
	held := a.held.Bytes()
	a.held = bytes.Buffer{}
	return a.pass(held)
}

func (a *longAnswer) pass(p []byte) *protocol.Error {
	if err := a.out.write(p); err != nil {
		return protocol.Errorf(protocol.CodeUnavailable, "the peer is gone")
	}
	return nil
}

// end adds the last part and sends what is held back.
func (a *longAnswer) end(p []byte) *protocol.Error {
	if refused := a.add(p); refused != nil {
		return refused
	}
	if !a.begun {
		a.w.Header().Set("Content-Length", strconv.Itoa(a.held.Len()))
		if refused := a.begin(); refused != nil {
			return refused
		}
	}
	if a.out.close() != nil {
		return protocol.Errorf(protocol.CodeUnavailable, "the peer is gone")
	}
	return nil
}
