package conformance

import (
	"context"
	"errors"
	"math/rand/v2"
	"reflect"
	"sync"
	"sync/atomic"
	"time"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/conformance/rule"
	"github.com/secondgate/secondgate/protocol"
)

// trial is one backend under one rule. Checks are written with it.
type trial struct {
	*rule.Attempt
	h      Harness
	b      backends.Backend
	oracle Oracle
	ctx    context.Context
	// rng is for one goroutine; others fork, under the lock.
	rng  *rand.Rand
	dice *sync.Mutex
	txs  *atomic.Uint64 // transactions so far
}

// The scopes of the rules. Their names are alike on purpose; aside is for marks in time (see now).
var (
	alpha = protocol.Scope{Workspace: "w-1", App: "app"}
	draft = protocol.Scope{Workspace: "w-1", App: "app", Draft: true}
	beta  = protocol.Scope{Workspace: "w-1", App: "app_"}
	gamma = protocol.Scope{Workspace: "w", App: "1-app"}
	aside = protocol.Scope{Workspace: "w-aside", App: "app"}
)

// robot and nobody write in the rules. A database may keep who wrote in another way than the write.
var (
	robot  = backends.Actor{Kind: "agent", ID: "robot", Run: "run-1"}
	nobody = backends.Actor{Kind: "anonymous"}
)

// open opens an empty backend and its oracle.
func open(a *rule.Attempt, h Harness) *trial {
	b := h.Open(a)
	return &trial{
		Attempt: a, h: h, b: b, oracle: h.Oracle(a, b), ctx: a.Context(), rng: a.Rand,
		dice: new(sync.Mutex), txs: new(atomic.Uint64),
	}
}

// another is a trial of a second empty backend, with an oracle of its own.
func (s *trial) another() *trial { return open(s.Attempt, s.h) }

// over is a trial of another backend over the same data, or of a copy; it has no oracle.
func (s *trial) over(b backends.Backend) *trial {
	return &trial{Attempt: s.Attempt, h: s.h, b: b, ctx: s.ctx, rng: s.rng, dice: s.dice, txs: s.txs}
}

// note names a document of the collection that most rules use.
func note(id string) protocol.Ref { return protocol.Ref{Scope: alpha, Collection: "notes", ID: id} }

// ok ends the attempt unless err is nil.
func (s *trial) ok(what string, err error) {
	s.Helper()
	if err != nil {
		s.Fatalf("%s: %v", what, err)
	}
}

// want ends the attempt unless both are equal.
func (s *trial) want(what string, got, want any) {
	s.Helper()
	if !reflect.DeepEqual(got, want) {
		s.Fatalf("%s: got %v want %v", what, got, want)
	}
}

// code ends the attempt unless err carries the code.
func (s *trial) code(what string, err error, want protocol.Code) {
	s.Helper()
	if got := protocol.CodeOf(err); got != want {
		s.Fatalf("%s: got code %q (%v) want %q", what, got, err, want)
	}
}

// is ends the attempt unless err is target.
func (s *trial) is(what string, err, target error) {
	s.Helper()
	if !errors.Is(err, target) {
		s.Fatalf("%s: got error %v want %v", what, err, target)
	}
}

// data ends the attempt unless the document has this canonical data; "" wants no document.
func (s *trial) data(what string, d *protocol.Document, want string) {
	s.Helper()
	got := ""
	if d != nil {
		got = string(d.Data)
	}
	if got != want {
		s.Fatalf("%s: got %s want %s", what, orNone(got), orNone(want))
	}
}

func orNone(data string) string {
	if data == "" {
		return "no document"
	}
	return data
}

// same ends the attempt unless both documents are equal in everything.
func (s *trial) same(what string, got, want *protocol.Document) {
	s.Helper()
	if !equal(got, want) {
		s.Fatalf("%s: got %s want %s", what, show(got), show(want))
	}
}

// tx is a transaction as a gateway makes it, by robot and nobody in turns.
func (s *trial) tx(scope protocol.Scope, writes ...backends.Write) backends.Tx {
	by := robot
	if s.txs.Add(1)%2 == 0 {
		by = nobody
	}
	return backends.Tx{Scope: scope, By: by, At: time.Now(), Principal: "agent:robot", Writes: writes}
}

// try writes one transaction.
func (s *trial) try(tx backends.Tx) (backends.Outcome, error) {
	return backends.WriteOne(s.ctx, s.b, tx)
}

// persist is try for a transaction that may be carried out twice: a database that is busy is asked again.
func (s *trial) persist(tx backends.Tx) (o backends.Outcome, err error) {
	for {
		o, err = s.try(tx)
		if protocol.CodeOf(err) != protocol.CodeUnavailable || s.ctx.Err() != nil {
			return o, err
		}
	}
}

// commit writes one transaction that must succeed.
func (s *trial) commit(scope protocol.Scope, writes ...backends.Write) []backends.Change {
	s.Helper()
	o, err := s.try(s.tx(scope, writes...))
	s.ok("write", err)
	if len(o.Changes) != len(writes) {
		s.Fatalf("write: got %d changes want %d", len(o.Changes), len(writes))
	}
	return o.Changes
}

// refuse writes one transaction that must be refused with the code, and returns its error.
func (s *trial) refuse(code protocol.Code, scope protocol.Scope, writes ...backends.Write) error {
	s.Helper()
	_, err := s.try(s.tx(scope, writes...))
	s.code("write", err, code)
	return err
}

// insert, update, upsert and delete write one document.
func (s *trial) insert(r protocol.Ref, data string) backends.Change {
	s.Helper()
	return s.commit(r.Scope, ins(r.Collection, r.ID, data))[0]
}

func (s *trial) update(r protocol.Ref, data string) backends.Change {
	s.Helper()
	return s.commit(r.Scope, upd(r.Collection, r.ID, data))[0]
}

func (s *trial) upsert(r protocol.Ref, data string) backends.Change {
	s.Helper()
	return s.commit(r.Scope, ups(r.Collection, r.ID, data))[0]
}

func (s *trial) delete(r protocol.Ref) backends.Change {
	s.Helper()
	return s.commit(r.Scope, del(r.Collection, r.ID))[0]
}

// get reads a document without a bound.
func (s *trial) get(r protocol.Ref) *protocol.Document {
	s.Helper()
	d, _ := s.getFrom(r, nil)
	return d
}

func (s *trial) getFrom(r protocol.Ref, notBefore backends.Cursor) (*protocol.Document, backends.Cursor) {
	s.Helper()
	d, c, err := s.b.Get(s.ctx, r, notBefore)
	s.ok("get", err)
	return d, c
}

// counts is what Collections tells of alpha.
func (s *trial) counts(notBefore backends.Cursor) map[string]int {
	s.Helper()
	counts, err := s.b.Collections(s.ctx, alpha, notBefore)
	s.ok("collections", err)
	return counts
}

// list reads a whole collection in one page.
func (s *trial) list(scope protocol.Scope, collection string, notBefore backends.Cursor) backends.Page {
	s.Helper()
	return s.page(scope, backends.Query{Collection: collection, NotBefore: notBefore})
}

func (s *trial) page(scope protocol.Scope, q backends.Query) backends.Page {
	s.Helper()
	p, err := s.b.List(s.ctx, scope, q)
	s.ok("list", err)
	return p
}

// now is a cursor at which everything is visible that was committed before the call, by anyone.
func (s *trial) now() backends.Cursor {
	s.Helper()
	r := protocol.Ref{Scope: aside, Collection: "marks", ID: "now"}
	s.upsert(r, `{}`)
	_, c := s.getFrom(r, nil)
	return c
}

// outside commits a stranger's steps in one transaction.
func (s *trial) outside(steps ...Step) {
	s.Helper()
	s.h.Outside(s, s.b).Do(s, true, steps...)
}

// reparse is the cursor after a journey through its bytes.
func (s *trial) reparse(c backends.Cursor) backends.Cursor {
	s.Helper()
	parsed, err := s.b.Cursor(s.ctx, c.Append(nil))
	s.ok("cursor", err)
	return parsed
}
