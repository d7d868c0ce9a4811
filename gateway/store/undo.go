package store

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/gateway/access"
	"github.com/secondgate/secondgate/protocol"
)

const (
	// undoAtOnce bounds the documents of one transaction of an undo, undoBytes their data.
	undoAtOnce, undoBytes = 1000, 16 << 20
	// maxUndo bounds the documents of a change set that can be undone.
	maxUndo = 100_000
	// undoPage is how many entries are read at once.
	undoPage = 200
	// mostNamed bounds the documents that a refusal names.
	mostNamed = 20
)

// Undone says what an undo did.
type Undone struct {
	// ChangeSet is the undo's own: it can be undone too.
	ChangeSet string
	// Documents is how many are as they were before.
	Documents int
}

// Undo makes the documents that a change set wrote what they were before it. A document that somebody has
// changed since, or between the set's writes, stands in the way: then nothing is undone, and the refusal, a
// conflict, names it. Sets of more than 1,000 documents are undone in several transactions. If one of those
// is refused, the refusal says what the ones before it did.
func (s *Store) Undo(
	ctx context.Context, p access.Principal, scope protocol.Scope, set string,
) (done Undone, refused *protocol.Error) {
	if refused := s.allow(ctx, p, scope, access.Write); refused != nil {
		return done, refused
	}
	if protocol.CheckNewID(set) != nil && !protocol.ServerMade(set) {
		return done, errNoChangeSet
	}
	all, refused := s.changeSet(ctx, p, scope, set)
	switch {
	case refused != nil:
		return done, refused
	case len(all) == 0:
		return done, errNoChangeSet
	}
	if refused := s.allow(ctx, p, scope, access.Write, undoesOf(all)...); refused != nil {
		return done, refused
	}
	done.ChangeSet = protocol.NewID(s.now())
	p.ChangeSet = done.ChangeSet
	parts := partsOf(all)
	if len(parts) > 1 || slices.ContainsFunc(all, isBetween) { // one part alone finds out by itself
		if refused := s.inTheWay(ctx, all, "undone"); refused != nil {
			return done, refused
		}
	}
	for _, part := range parts {
		if refused := s.undoPart(ctx, p, scope, part); refused != nil {
			return done, refusedAfter(refused, done)
		}
		done.Documents += len(part)
	}
	return done, nil
}

// refusedAfter is a refusal that says what was undone before it.
func refusedAfter(refused *protocol.Error, done Undone) *protocol.Error {
	if done.Documents == 0 {
		return refused
	}
	return protocol.Errorf(refused.Code,
		"%s; the %d documents before them were undone, which undoing the change set %s takes back",
		refused.Message, done.Documents, done.ChangeSet)
}

func isBetween(u *undoing) bool { return u.between }

// undoesOf are the uses that undoing is, each once: to take back what was made is to delete.
func undoesOf(all []*undoing) (uses []access.Use) {
	for _, u := range all {
		if op := u.operation(); op != "" {
			if use := (access.Use{Collection: u.ref.Collection, Operation: op}); !slices.Contains(uses, use) {
				uses = append(uses, use)
			}
		}
	}
	return uses
}

// partsOf cuts the documents into those of one transaction each.
func partsOf(all []*undoing) (parts [][]*undoing) {
	from, bytes := 0, 0
	for i, u := range all {
		if i > from && (i-from == undoAtOnce || bytes+u.bytes > undoBytes) {
			parts, from, bytes = append(parts, all[from:i]), i, 0
		}
		bytes += u.bytes
	}
	return append(parts, all[from:])
}

// undoPart undoes some documents, all or nothing.
func (s *Store) undoPart(
	ctx context.Context, p access.Principal, scope protocol.Scope, part []*undoing,
) *protocol.Error {
	approval, refused := s.allowWrite(ctx, p, scope, undoesOf(part))
	if refused != nil {
		return refused
	}
	tx := backends.Tx{Scope: scope, By: authorOf(p), At: protocol.Millis(s.now()), Principal: p.ID}
	for _, u := range part {
		w, err := s.undoWrite(ctx, u)
		if err != nil {
			return s.Failure(&protocol.Request{}, err)
		}
		if w != nil {
			tx.Writes = append(tx.Writes, *w)
		}
	}
	if len(tx.Writes) == 0 {
		return nil
	}
	by := actorOf(p, scope)
	by.Approval = approval
	tx.Entries = s.changeSetEntries(p, &tx, s.trail.Entries(ctx, by, &tx, ""))
	err := s.carryOutFor(ctx, p, scope, []backends.Tx{tx})[0].Err
	s.hub.Poke()
	if err == nil {
		return nil
	}
	var refusal *backends.WriteError
	if errors.As(err, &refusal) {
		if named := s.inTheWay(ctx, part, "undone"); named != nil {
			return named
		}
	}
	return s.Failure(&protocol.Request{}, err)
}

// undoWrite is the write that makes a document what it was; nil if there is nothing to do.
func (s *Store) undoWrite(ctx context.Context, u *undoing) (*backends.Write, error) {
	w := &backends.Write{Collection: u.ref.Collection, ID: u.ref.ID, IfRev: u.is}
	switch u.operation() {
	case "":
		return nil, nil
	case access.OpDelete:
		w.Op = backends.Delete
		return w, nil
	case access.OpInsert:
		w.Op = backends.Insert
	default:
		w.Op, w.Replace = backends.Update, true
	}
	var err error
	w.Data, err = s.dataBefore(ctx, u.first)
	return w, err
}

// inTheWay names the documents that are not as they were left; nil if all are. what is what was not done.
func (s *Store) inTheWay(ctx context.Context, all []*undoing, what string) *protocol.Error {
	var names []string
	others := 0
	for _, u := range all {
		doc, _, err := s.backend.Get(ctx, u.ref, nil)
		if err != nil {
			return s.Failure(&protocol.Request{}, err)
		}
		rev := ""
		if doc != nil {
			rev = doc.Rev
		}
		switch {
		case rev == u.is && !u.between:
		case len(names) == mostNamed:
			others++
		default:
			names = append(names, u.ref.Collection+"/"+u.ref.ID)
		}
	}
	if len(names) == 0 {
		return nil
	}
	list := strings.Join(names, ", ")
	if others > 0 {
		return protocol.Errorf(
			protocol.CodeConflict,
			"others changed these documents and %d more meanwhile, so none of them was %s: %s", others, what, list)
	}
	return protocol.Errorf(
		protocol.CodeConflict,
		"others changed these documents meanwhile, so none was %s: %s", what, list)
}
