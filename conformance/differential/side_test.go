package differential_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/gateway/store"
	"github.com/secondgate/secondgate/protocol"
)

// side is one database of a run. One goroutine at a time uses it.
type side struct {
	name    string
	backend backends.Backend
	store   *store.Store // a gateway's over it, for queries
	// known is the run's; sides only read it.
	known *known
	// outs are the answers to the last writes.
	outs []backends.Outcome
	// latest is the last change that was committed, for its Commit.
	latest *backends.Change
	feed   backends.Feed
	// copy is what a client would have that follows the feed and nothing else.
	copy map[protocol.Ref]protocol.Document
	// mark is a moment, and then is what had been written at it, for Since.
	mark backends.Cursor
	then *known
}

func newSide(t *testing.T, name string, b backends.Backend, k *known) *side {
	t.Helper()
	s := &side{name: name, backend: b, store: storeOver(t, b), known: k, copy: map[protocol.Ref]protocol.Document{}}
	var err error
	s.feed, err = b.Watch(t.Context(), nil)
	require.NoError(t, err, name)
	t.Cleanup(func() { _ = s.feed.Close() }) // it may have been given up already
	return s
}

// wrote remembers the last change, and tells the feed as a gateway does.
func (s *side) wrote(outs []backends.Outcome) {
	for _, o := range outs {
		if o.Err == nil && !o.Replayed && len(o.Changes) > 0 {
			s.latest = &o.Changes[len(o.Changes)-1]
		}
	}
	s.feed.Poke()
}
