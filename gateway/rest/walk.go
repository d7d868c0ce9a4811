package rest

import (
	"context"
	"hash/maphash"
	"math"
	"slices"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/gateway/access"
	"github.com/secondgate/secondgate/gateway/store"
	"github.com/secondgate/secondgate/protocol"
)

// restPage is about how much of a list is read at once, in bytes. Where memory is short it is less.
const restPage = 256 << 10

// walk reads a collection page by page. Pages are separate reads: a document that moved to the
// front meanwhile is missing, which the stream repairs; one that moved back would come twice, and
// is sent once.
type walk struct {
	store      *store.Store
	principal  access.Principal
	scope      protocol.Scope
	collection string
	after      string
	limited    bool
	left       int
	sent       int
	done       bool
	cursor     backends.Cursor // of the first page
	page       int             // how much is read at once, in bytes

	// seen holds the ids that were sent, each as 128 bits of a hash.
	seen  map[[2]uint64]struct{}
	seeds [2]maphash.Seed
}

func (h handler) newWalk(c *call, collection string) *walk {
	return &walk{
		store: h.env.Store, principal: c.principal, scope: c.scope, collection: collection, left: math.MaxInt,
		page: min(restPage, c.room/4),
	}
}

// next is the next page.
func (w *walk) next(ctx context.Context) ([]protocol.Document, *protocol.Error) {
	request := &protocol.Request{Type: protocol.TypeList, Collection: w.collection, After: w.after}
	if w.limited {
		request.Limit = w.left
	}
	var a protocol.Answer
	refused := retryUnavailable(ctx, func(ctx context.Context) *protocol.Error {
		var at backends.Cursor
		bounds := store.Read{NotBefore: w.cursor, MaxBytes: w.page}
		a, at = w.store.List(ctx, w.principal, w.scope, request, bounds)
		if a.Err == nil && w.cursor == nil {
			w.cursor = at
		}
		return a.Err
	})
	if refused != nil {
		return nil, refused
	}
	first := w.sent == 0 && w.seen == nil
	w.after = a.Next
	docs := w.unseen(a.Docs, first && a.Next == "")
	w.sent += len(docs)
	w.left -= len(docs)
	w.done = a.Next == "" || w.left == 0
	return docs, nil
}

// unseen leaves out what was sent already. The only page of a list needs no memory.
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
