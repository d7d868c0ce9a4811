package store

import (
	"context"
	"crypto/sha256"
	"errors"
	"time"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/gateway/access"
	"github.com/secondgate/secondgate/gateway/audit"
	"github.com/secondgate/secondgate/gateway/metrics"
	"github.com/secondgate/secondgate/protocol"
)

// maxResults bounds the documents that one batch is answered with, in bytes. Without it, a small
// batch of updates of one large document is answered with a thousand copies of it.
const maxResults = 16 << 20

// Written is a write's answer, with what the door needs to know about its changes.
type Written struct {
	Answer  protocol.Answer
	Outcome backends.Outcome
}

// Write answers writes of one principal, which take effect in their order.
func (s *Store) Write(
	ctx context.Context, p access.Principal, scope protocol.Scope, requests []*protocol.Request,
) []Written {
	out := make([]Written, len(requests))
	txs := make([]backends.Tx, 0, len(requests))
	at := make([]int, 0, len(requests)) // of each transaction, the request
	allow := s.allowWrites(ctx, p, scope)
	for i, r := range requests {
		out[i].Answer.Request = r
		approval, refused := allow(r)
		if refused != nil {
			out[i].Outcome.Err = refused
			continue
		}
		tx, err := s.transaction(p, scope, r)
		if err != nil {
			out[i].Outcome.Err = err
			continue
		}
		if !scope.IsSystem() {
			by := actorOf(p, scope)
			by.Approval = approval
			tx.Entries = s.changeSetEntries(p, &tx, s.trail.Entries(ctx, by, &tx, r.RequestID))
		}
		txs, at = append(txs, tx), append(at, i)
	}
	if len(txs) > 0 {
		for i, o := range s.carryOutFor(ctx, p, scope, txs) {
			out[at[i]].Outcome = o
		}
		s.hub.Poke()
		s.expectLast(out)
	}
	for i := range out {
		s.complete(&out[i])
		hideUnread(ctx, p, scope, &out[i].Answer)
		s.auditRefusal(ctx, p, scope, &out[i].Answer)
	}
	return out
}

// WriteOwn carries out a write of what gateways keep for themselves, with entries of the ledger that are
// committed with it. No quota and no limit of a document but the databases' holds for it.
func (s *Store) WriteOwn(
	ctx context.Context, scope protocol.Scope, r *protocol.Request, entries func([]backends.Change) []backends.Entry,
) protocol.Answer {
	w := Written{Answer: protocol.Answer{Request: r}}
	tx, err := s.transaction(access.Gateway(), scope, r)
	for i := range tx.Writes {
		tx.Writes[i].MaxBytes = backends.MaxDocument
	}
	if tx.Entries, w.Outcome.Err = entries, err; err == nil {
		w.Outcome = s.write(ctx, []backends.Tx{tx})[0]
		s.hub.Poke()
	}
	s.complete(&w)
	return w.Answer
}

// WriteReserved is WriteOwn in the reserved scope of an app, with rows of the audit trail that tell what it
// does, by p in the scope that it is about.
func (s *Store) WriteReserved(
	ctx context.Context, p access.Principal, about protocol.Scope, r *protocol.Request, rows []audit.Row,
) protocol.Answer {
	entries := s.trail.Rows(ctx, actorOf(p, about), about, protocol.Millis(s.now()), rows)
	return s.WriteOwn(ctx, protocol.SystemScope(about.Workspace, about.App), r, entries)
}

// carryOutFor carries out when it is p's turn.
func (s *Store) carryOutFor(
	ctx context.Context, p access.Principal, scope protocol.Scope, txs []backends.Tx,
) []backends.Outcome {
	leave, err := s.agents.enter(ctx, p)
	if err != nil {
		return allFailed(len(txs), err)
	}
	defer leave()
	return s.carryOut(ctx, scope, txs)
}

// carryOut has the backend write within the scope's quota.
func (s *Store) carryOut(ctx context.Context, scope protocol.Scope, txs []backends.Tx) []backends.Outcome {
	if !s.usages.limited() || scope.IsSystem() {
		return s.write(ctx, txs)
	}
	reserved, err := s.usages.reserve(ctx, scope, txs)
	if err != nil {
		return allFailed(len(txs), err)
	}
	out := s.write(ctx, txs)
	reserved.settle(out)
	for i := range out {
		s.countFull(&txs[i], out[i].Err)
	}
	return out
}

func (s *Store) write(ctx context.Context, txs []backends.Tx) []backends.Outcome {
	out := s.backend.Write(ctx, txs)
	for i := range out {
		s.faults.written(sizeOf(&txs[i]), out[i].Err)
	}
	return out
}

func allFailed(n int, err error) []backends.Outcome {
	out := make([]backends.Outcome, n)
	for i := range out {
		out[i].Err = err
	}
	return out
}

// countFull counts a refusal by the quota that it was for.
func (s *Store) countFull(tx *backends.Tx, err error) {
	var refused *protocol.Error
	if !errors.As(err, &refused) {
		return
	}
	switch error(refused) {
	case tx.FullDocuments:
		s.metrics.Limited(metrics.LimitDocuments)
	case tx.FullBytes:
		s.metrics.Limited(metrics.LimitScopeBytes)
	}
}

func sizeOf(tx *backends.Tx) (bytes int) {
	for i := range tx.Writes {
		bytes += len(tx.Writes[i].Data)
	}
	return bytes
}

// expectLast has the feed's lag measured at the last change of the writes. The changes of a retry
// were made before.
func (s *Store) expectLast(out []Written) {
	for i := len(out) - 1; i >= 0; i-- {
		o := &out[i].Outcome
		if n := len(o.Changes); o.Err == nil && !o.Replayed && n > 0 {
			s.hub.Expect(o.Changes[n-1])
			return
		}
	}
}

// complete fills in an answer from its outcome.
func (s *Store) complete(w *Written) {
	a, r := &w.Answer, w.Answer.Request
	if w.Outcome.Err != nil {
		a.Err = s.Failure(r, w.Outcome.Err)
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
func (s *Store) transaction(
	p access.Principal, scope protocol.Scope, r *protocol.Request,
) (backends.Tx, error) {
	tx := backends.Tx{
		Scope: scope, By: authorOf(p), At: protocol.Millis(s.now()),
		Mutation: r.MutationID, Principal: p.ID,
	}
	if r.Type == protocol.TypeBatch {
		tx.MaxBytes = max(maxResults, s.limits.DocumentBytes)
	}
	if r.MutationID != "" {
		tx.Digest = digest(r)
	}
	if r.Type != protocol.TypeBatch {
		w, err := s.operation(r, tx.At)
		tx.Writes = []backends.Write{w}
		return tx, err
	}
	for i := range r.Operations {
		w, err := s.operation(&r.Operations[i], tx.At)
		if err != nil {
			return tx, &backends.WriteError{Index: i, Err: err}
		}
		tx.Writes = append(tx.Writes, w)
	}
	return tx, nil
}

// digest is of everything that the request asks for. It tells a retry from another request.
func digest(r *protocol.Request) [32]byte {
	asked := *r
	asked.RequestID, asked.MutationID = "", ""
	return sha256.Sum256(asked.Append(make([]byte, 0, 256+len(r.Data)+len(r.Filter))))
}

// operation is one write. Data and Filter of a decoded request are canonical already.
func (s *Store) operation(r *protocol.Request, now time.Time) (w backends.Write, err error) {
	w = backends.Write{
		Collection: r.Collection, ID: r.DocID, IfRev: r.IfRev, Paths: r.Paths, MaxBytes: s.limits.DocumentBytes,
	}
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
