package conformance

import (
	"errors"
	"slices"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/protocol"
)

// follower reads a feed to the end that a rule sets, watching again whenever the feed breaks.
type follower struct {
	*trial
	feed   backends.Feed
	cursor backends.Cursor
	// exact are scopes of which every batch is held to the oracle.
	exact []protocol.Scope
	// onLost is told of lost scopes, an expired cursor of a feed that broke being the same as all
	// of them; without it they end the attempt, for they hide what it looks for.
	onLost func(backends.Batch)
}

// watch follows from a cursor (nil: now).
func (s *trial) watch(from backends.Cursor, exact ...protocol.Scope) *follower {
	s.Helper()
	f := &follower{trial: s, exact: exact}
	f.start(from)
	s.Cleanup(f.stop)
	return f
}

func (f *follower) start(from backends.Cursor) {
	f.Helper()
	feed, err := f.b.Watch(f.ctx, from)
	if errors.Is(err, backends.ErrCursor) && from != nil && f.onLost != nil {
		f.start(nil)
		f.onLost(backends.Batch{LostAll: true, Cursor: f.cursor})
		return
	}
	f.ok("watch", err)
	f.feed, f.cursor = feed, feed.Cursor()
	if from != nil && (!f.cursor.Reached(from) || !from.Reached(f.cursor)) {
		f.Fatalf("watch: the feed begins at another cursor than it was asked to")
	}
}

func (f *follower) stop() {
	if f.feed != nil {
		_ = f.feed.Close() // a feed that breaks at its end has told all it was asked for
		f.feed = nil
	}
}

// next is the next batch.
func (f *follower) next() backends.Batch {
	f.Helper()
	for range 100 {
		batch, err := f.feed.Next(f.ctx)
		if err == nil {
			f.take(batch)
			return batch
		}
		if f.ctx.Err() != nil {
			f.Fatalf("feed: got nothing within the time: %v", err)
		}
		f.stop()
		f.start(f.cursor)
	}
	f.Fatalf("feed: it broke 100 times in a row")
	return backends.Batch{}
}

func (f *follower) take(batch backends.Batch) {
	f.Helper()
	if batch.Cursor == nil || !batch.Cursor.Reached(f.cursor) {
		f.Fatalf("feed: a batch ended before it began")
	}
	f.lost(batch)
	if f.exact != nil {
		f.between(f.cursor, batch)
	}
	for _, scope := range f.exact {
		f.held("batch", scope, f.cursor, batch)
	}
	f.cursor = batch.Cursor
}

// between ends the attempt unless every change happened after the batch's beginning and before its
// end.
func (s *trial) between(from backends.Cursor, batch backends.Batch) {
	s.Helper()
	for _, c := range batch.Changes {
		if from.Covers(c) {
			s.Fatalf("batch: got a change of %s that the cursor it began at covers", c.Ref)
		}
		if !batch.Cursor.Covers(c) {
			s.Fatalf("batch: got a change of %s that its cursor does not cover", c.Ref)
		}
	}
}

func (f *follower) lost(batch backends.Batch) {
	for _, c := range batch.Changes {
		if slices.Contains(batch.Lost, c.Ref.Scope) || batch.LostAll {
			f.Fatalf("feed: got a change of %s in a batch that calls its scope lost", c.Ref)
		}
	}
	if !batch.LostAll && len(batch.Lost) == 0 {
		return
	}
	if f.onLost == nil {
		f.Inconclusive("the feed lost a scope")
	}
	f.onLost(batch)
}

// until reads to a cursor and returns the changes of a scope on the way.
func (f *follower) until(c backends.Cursor, scope protocol.Scope) (changes []backends.Change) {
	f.Helper()
	for !f.cursor.Reached(c) {
		for _, change := range f.next().Changes {
			if change.Ref.Scope == scope {
				changes = append(changes, change)
			}
		}
	}
	return changes
}

// held ends the attempt unless the batch, applied to what the oracle knows of its beginning, gives
// what the oracle knows of its end. A lost scope is not looked at.
func (s *trial) held(what string, scope protocol.Scope, from backends.Cursor, batch backends.Batch) {
	s.Helper()
	if batch.LostAll || slices.Contains(batch.Lost, scope) {
		return
	}
	got := copied(s.oracle(s, scope, from)).applyAll(scope, batch.Changes)
	if d := diff(got, s.oracle(s, scope, batch.Cursor)); d != "" {
		s.Fatalf("%s, applied to the state at its beginning: %s", what, d)
	}
}

// exactly ends the attempt unless the page is what the oracle knows of the collection at its
// cursor.
func (s *trial) exactly(scope protocol.Scope, collection string, p backends.Page) {
	s.Helper()
	got := state{collection: {}}
	for _, d := range p.Docs {
		got[collection][d.ID] = d
	}
	want := map[string]map[string]protocol.Document{collection: s.oracle(s, scope, p.Cursor)[collection]}
	if d := diff(got, want); d != "" {
		s.Fatalf("list: %s", d)
	}
}
