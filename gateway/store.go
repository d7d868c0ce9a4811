package gateway

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/protocol"
)

// Store checks requests, completes them (ids, times, digests) and has the backend carry them out. Every door
// goes through it, so no door can differ.
type Store struct {
	backend backends.Backend
	limits  protocol.Limits
	log     *slog.Logger
	now     func() time.Time
	poke    func() // tells the feed that this process has just committed
	expect  func(backends.Change)
	told    func() backends.Cursor // what any client of this process may know of
}

// Written is a write's answer with what the door needs to know about its changes.
type Written struct {
	Answer  protocol.Answer
	Outcome backends.Outcome
}

// List answers second:data:list from one snapshot that has Reached notBefore (nil: all that anybody was told), cut at maxBytes.
func (s *Store) List(ctx context.Context, scope protocol.Scope, r *protocol.Request, notBefore backends.Cursor, maxBytes int) (protocol.Answer, backends.Cursor) {
	page, err := s.backend.List(ctx, scope, backends.Query{
		Collection: r.Collection, After: r.After, Limit: r.Limit, MaxBytes: maxBytes, NotBefore: s.orTold(notBefore),
	})
	if err != nil {
		return protocol.Answer{Request: r, Err: s.failure(r, err)}, nil
	}
	return protocol.Answer{Request: r, Docs: page.Docs, Next: page.Next}, page.Cursor
}

// orTold is for doors that do not know what the client was told: it may have heard it on a stream beside them.
func (s *Store) orTold(notBefore backends.Cursor) backends.Cursor {
	if notBefore == nil {
		return s.told()
	}
	return notBefore
}

// Doc answers second:data:doc, from such a snapshot; a document that does not exist is null.
func (s *Store) Doc(ctx context.Context, scope protocol.Scope, r *protocol.Request, notBefore backends.Cursor) (protocol.Answer, backends.Cursor) {
	doc, cursor, err := s.backend.Get(ctx, protocol.Ref{Scope: scope, Collection: r.Collection, ID: r.DocID}, s.orTold(notBefore))
	if err != nil {
		return protocol.Answer{Request: r, Err: s.failure(r, err)}, nil
	}
	return protocol.Answer{Request: r, Doc: doc}, cursor
}

// Collections counts the documents of each collection, in a snapshot that shows all that anybody was told.
func (s *Store) Collections(ctx context.Context, scope protocol.Scope) (map[string]int, error) {
	return s.backend.Collections(ctx, scope, s.told())
}

// Write answers writes of one principal, which take effect in their order.
func (s *Store) Write(ctx context.Context, p Principal, scope protocol.Scope, requests []*protocol.Request) []Written {
	out := make([]Written, len(requests))
	txs := make([]backends.Tx, 0, len(requests))
	at := make([]int, 0, len(requests)) // of each transaction, the request
	for i, r := range requests {
		out[i].Answer.Request = r
		tx, err := s.transaction(p, scope, r)
		if err != nil {
			out[i].Outcome.Err = err
			continue
		}
		txs, at = append(txs, tx), append(at, i)
	}
	if len(txs) > 0 {
		for i, o := range s.backend.Write(ctx, txs) {
			out[at[i]].Outcome = o
		}
		s.poke()
		s.expectLast(out)
	}
	for i := range out {
		s.complete(&out[i])
	}
	return out
}

// expectLast has the feed's lag measured at the last change that the writes made. Those of a retry were made before.
func (s *Store) expectLast(out []Written) {
	for i := len(out) - 1; i >= 0; i-- {
		o := &out[i].Outcome
		if n := len(o.Changes); o.Err == nil && !o.Replayed && n > 0 {
			s.expect(o.Changes[n-1])
			return
		}
	}
}

// complete fills in an answer from its outcome.
func (s *Store) complete(w *Written) {
	a, r := &w.Answer, w.Answer.Request
	if w.Outcome.Err != nil {
		a.Err = s.failure(r, w.Outcome.Err)
		return
	}
	a.Replayed = w.Outcome.Replayed
	if r.Type != protocol.TypeBatch {
		fill(a, w.Outcome.Changes[0])
		return
	}
	a.Results = make([]protocol.Answer, len(r.Operations))
	for i := range r.Operations {
		a.Results[i].Request = &r.Operations[i]
		fill(&a.Results[i], w.Outcome.Changes[i])
	}
}

func fill(a *protocol.Answer, c backends.Change) {
	a.Doc, a.DocID, a.Created = c.Doc, c.Ref.ID, c.Op == backends.Insert
}

// transaction checks a request and completes it.
func (s *Store) transaction(p Principal, scope protocol.Scope, r *protocol.Request) (backends.Tx, error) {
	tx := backends.Tx{
		Scope: scope, By: p.Actor, At: protocol.Millis(s.now()),
		Mutation: r.MutationID, Principal: p.ID,
	}
	if r.MutationID != "" {
		tx.Digest = digest(r)
	}
	if r.Type != protocol.TypeBatch {
		w, err := s.write(r, tx.At)
		tx.Writes = []backends.Write{w}
		return tx, err
	}
	for i := range r.Operations {
		w, err := s.write(&r.Operations[i], tx.At)
		if err != nil {
			return tx, &backends.WriteError{Index: i, Err: err}
		}
		tx.Writes = append(tx.Writes, w)
	}
	return tx, nil
}

// digest is of everything that the request asks for, so that a retry is told from another request.
func digest(r *protocol.Request) [32]byte {
	asked := *r
	asked.RequestID, asked.MutationID = "", ""
	return sha256.Sum256(asked.Append(make([]byte, 0, 256+len(r.Data)+len(r.Filter))))
}

func (s *Store) write(r *protocol.Request, now time.Time) (w backends.Write, err error) {
	w = backends.Write{Collection: r.Collection, ID: r.DocID, IfRev: r.IfRev, Paths: r.Paths, MaxBytes: s.limits.DocumentBytes}
	id := r.DocID
	switch r.Type {
	case protocol.TypeInsert:
		w.Op = backends.Insert
		if err := checkInsert(r); err != nil {
			return w, err
		}
		if w.ID == "" {
			w.ID = protocol.NewID(now)
		}
	case protocol.TypeUpdate:
		w.Op = backends.Update
	case protocol.TypeDelete:
		w.Op = backends.Delete
		return w, nil
	case protocol.TypeUpsert:
		w.Op, w.NewID = backends.Upsert, protocol.NewID(now)
		if r.Filter != nil {
			filter, err := protocol.ParseFilter(r.Filter, r.Paths)
			if err != nil {
				return w, err
			}
			w.Filter, id = &filter, filter.ID
		}
	}
	w.Data, err = protocol.Writable(r.Data, id)
	return w, err
}

func checkInsert(r *protocol.Request) error {
	if err := protocol.CheckNewCollection(r.Collection); err != nil || r.DocID == "" {
		return err
	}
	return protocol.CheckNewID(r.DocID)
}

// failure is err as the client sees it. What no client caused goes to the log, and never to the client.
func (s *Store) failure(r *protocol.Request, err error) *protocol.Error {
	e := clientError(err)
	if e == nil {
		s.log.Error("a request failed", "type", string(r.Type), "error", err)
		return protocol.Errorf(protocol.CodeInternal, "the gateway failed; its log says how")
	}
	var w *backends.WriteError
	if r.Type == protocol.TypeBatch && errors.As(err, &w) {
		return protocol.Errorf(e.Code, "operations[%d]: %s", w.Index, e.Message)
	}
	return e
}

// clientError finds what a client may see of err; nil if nothing.
func clientError(err error) *protocol.Error {
	var e *protocol.Error
	switch {
	case errors.As(err, &e):
		return e
	case errors.Is(err, backends.ErrCursor): // of a read's notBefore
		return protocol.Errorf(protocol.CodeUnavailable, "the database was replaced: connect again")
	case errors.Is(err, context.DeadlineExceeded):
		return protocol.Errorf(protocol.CodeTimeout, "the request ran out of time: ask again, a write with the same mutationId")
	case errors.Is(err, context.Canceled):
		return protocol.Errorf(protocol.CodeUnavailable, "the gateway is stopping: connect again")
	}
	return nil
}

// String is for logs.
func (p Principal) String() string { return fmt.Sprintf("%s:%s", p.Actor.Kind, p.Actor.ID) }
