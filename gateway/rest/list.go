package rest

import (
	"context"
	"maps"
	"math"
	"net/http"
	"slices"
	"strconv"

	"github.com/secondgate/secondgate/gateway/store"
	"github.com/secondgate/secondgate/protocol"
)

// list is GET …/data?collection=c, or without a collection all of them.
func (h handler) list(c *call, w http.ResponseWriter, r *http.Request) *protocol.Error {
	if room, ok := h.env.Memory.TryAcquire(listRoom); ok { // with less, its pages are small
		c.room += room
	}
	switch {
	case c.collection == "" && c.query.Get("counts") == "1":
		return h.countCollections(c, w, r)
	case c.collection == "":
		return h.listCollections(c, w, r)
	}
	if isQuery(c.query) {
		return h.listMatching(c, w, r)
	}
	walk, refused := h.walkOf(c)
	if refused != nil {
		return refused
	}
	out := h.newLongAnswer(c, w, r)
	out.fits = func() bool { return h.fits(r.Context(), c, out.weight(walk.sent)) }
	out.add([]byte(`{"docs":[`))
	if refused := h.sendDocs(r.Context(), c, walk, out, w.Header()); refused != nil {
		return h.cutList(c, out, refused)
	}
	end := []byte("]")
	if walk.limited && walk.after != "" {
		end = protocol.AppendString(append(end, `,"next":`...), walk.after)
	}
	return h.cutList(c, out, out.end(append(end, "}\n"...)))
}

// headCollections bounds the collections that a HEAD of all of them reads.
const headCollections = 16

// listCollections is GET …/data: every collection by name, with its documents. It carries no
// cursor, because counting returns none.
func (h handler) listCollections(c *call, w http.ResponseWriter, r *http.Request) *protocol.Error {
	names, refused := h.collections(r.Context(), c)
	if refused != nil {
		return refused
	}
	out := h.newLongAnswer(c, w, r)
	out.add([]byte(`{"collections":[`))
	for i, name := range names {
		if out.head && i == headCollections {
			return h.cutList(c, out, errEnough)
		}
		if i > 0 {
			out.add([]byte{','})
		}
		out.add(append(protocol.AppendString([]byte(`{"name":`), name), `,"docs":[`...))
		walk := h.newWalk(c, name)
		if refused := h.sendDocs(r.Context(), c, walk, out, nil); refused != nil {
			return h.cutList(c, out, refused)
		}
		// The count comes last, because it is of the documents that were sent.
		count := append(strconv.AppendInt([]byte(`],"count":`), int64(walk.sent), 10), '}')
		if refused := out.add(count); refused != nil {
			return h.cutList(c, out, refused)
		}
	}
	return h.cutList(c, out, out.end([]byte("]}\n")))
}

// countCollections is GET …/data?counts=1: the names of the collections that have documents, and how
// many each has.
func (h handler) countCollections(c *call, w http.ResponseWriter, r *http.Request) *protocol.Error {
	var counts map[string]int
	refused := retryUnavailable(r.Context(), func(ctx context.Context) (refused *protocol.Error) {
		counts, refused = h.env.Store.Collections(ctx, c.principal, c.scope, store.Read{})
		return refused
	})
	if refused != nil {
		return refused
	}
	body := []byte(`{"counts":[`)
	for i, name := range slices.Sorted(maps.Keys(counts)) {
		if i > 0 {
			body = append(body, ',')
		}
		body = append(protocol.AppendString(append(body, `{"name":`...), name), `,"count":`...)
		body = append(strconv.AppendInt(body, int64(counts[name]), 10), '}')
	}
	h.answerJSON(c, w, http.StatusOK, append(body, "]}\n"...))
	return nil
}

// collections are the names of the collections that have documents, in order.
func (h handler) collections(ctx context.Context, c *call) (names []string, refused *protocol.Error) {
	refused = retryUnavailable(ctx, func(ctx context.Context) *protocol.Error {
		counts, refused := h.env.Store.Collections(ctx, c.principal, c.scope, store.Read{})
		names = slices.Sorted(maps.Keys(counts))
		return refused
	})
	return names, refused
}

// sendDocs adds the documents of a walk. The cursor of the list is that of its first page: the
// stream from there repairs what the later pages saw of what came after.
func (h handler) sendDocs(
	ctx context.Context, c *call, walk *walk, out *longAnswer, header http.Header,
) *protocol.Error {
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

// cutList ends a list that failed. Once its status has gone out only a broken connection says that
// it failed: a body that ends well would pass for the whole list.
func (h handler) cutList(c *call, out *longAnswer, refused *protocol.Error) *protocol.Error {
	if refused == nil {
		return nil
	}
	if refused == errEnough {
		out.w.Header().Set("Content-Type", "application/json")
		out.w.WriteHeader(http.StatusOK)
		return nil
	}
	if refused.Code == protocol.CodeListTooLarge {
		h.env.Log.Warn("a list is too large",
			"scope", c.scope.String(), "collection", c.collection, "limit", out.max)
	}
	if out.begun {
		panic(http.ErrAbortHandler)
	}
	return refused
}

// fits reports whether a list of documents like those so far will stay within the limit. One that
// may not is weighed first, so that it can be refused with a status.
func (h handler) fits(ctx context.Context, c *call, average int) bool {
	counts, refused := h.env.Store.Collections(ctx, c.principal, c.scope, store.Read{})
	if refused != nil || counts[c.collection]*average < h.env.ListBytes/2 {
		return true
	}
	walk, refused := h.walkOf(c)
	for total := 0; refused == nil && !walk.done; {
		var docs []protocol.Document
		docs, refused = walk.next(ctx)
		for i := range docs {
			total += len(docs[i].Data) + len(docs[i].ID) + documentFrame
		}
		if total > h.env.ListBytes {
			return false
		}
	}
	return true
}

// documentFrame is what an encoded document has beside its data and id: names, times and a comma.
const documentFrame = len(
	`{"_id":"","_createdAt":"2006-01-02T15:04:05.000Z","_updatedAt":"2006-01-02T15:04:05.000Z"},`,
)

// walkOf is the walk that a list's URL asks for.
func (h handler) walkOf(c *call) (*walk, *protocol.Error) {
	w := h.newWalk(c, c.collection)
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
