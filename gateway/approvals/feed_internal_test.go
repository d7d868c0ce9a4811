package approvals

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/backends/model"
	"github.com/secondgate/secondgate/backends/model/modeltest"
	"github.com/secondgate/secondgate/backends/mongodb/mongodbtest"
	"github.com/secondgate/secondgate/backends/postgres/postgrestest"
	"github.com/secondgate/secondgate/backends/sqlite/sqlitetest"
	"github.com/secondgate/secondgate/conformance"
	"github.com/secondgate/secondgate/conformance/planted"
	"github.com/secondgate/secondgate/gateway/access"
	"github.com/secondgate/secondgate/gateway/hub"
	"github.com/secondgate/secondgate/gateway/store"
	"github.com/secondgate/secondgate/protocol"
)

// gatewayOver are the approvals of one gateway, whose clock stands until it is moved on.
type gatewayOver struct {
	*Approvals
	later atomic.Int64 // how far the clock was moved on
}

// over makes one over a database, for the length of the test. hears: it follows the feed.
func over(t *testing.T, b backends.Backend, hears bool) *gatewayOver {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	h, err := hub.New(t.Context(), b, 1<<20, log, nil)
	require.NoError(t, err)
	s := store.New(b, h, store.Options{Mode: access.None{}, Limits: protocol.DefaultLimits, Log: log})
	g := &gatewayOver{Approvals: New(s)}
	begin := time.Now()
	g.now = func() time.Time { return begin.Add(time.Duration(g.later.Load())) }
	if hears {
		h.OnReserved(g.Changed)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	var running sync.WaitGroup
	running.Go(func() { h.Run(ctx) })
	t.Cleanup(func() { cancel(); running.Wait() })
	return g
}

// may reports whether agent e may write to leads.
func (g *gatewayOver) may(t *testing.T, s protocol.Scope) bool {
	t.Helper()
	grant, refused := g.Agent("e").Grant(t.Context(), s)
	if refused == nil {
		refused = grant.Allows(access.Use{Collection: "leads", Operation: access.OpInsert})
	}
	if refused != nil {
		require.Equal(t, protocol.CodeForbidden, refused.Code)
	}
	return refused == nil
}

// TestApprovalsHeedTheFeed: what one gateway approves and revokes holds on another one as soon as
// its feed has told, whatever that one knew. Without a feed it holds when what it knew is too old.
// The clocks stand.
func TestApprovalsHeedTheFeed(t *testing.T) {
	t.Parallel()
	for name, h := range map[string]conformance.Harness{
		"sqlite": &sqlitetest.Harness{}, "postgres": &postgrestest.Harness{}, "mongodb": &mongodbtest.Harness{},
		"model": &modeltest.Harness{Options: model.Options{Seed: 11, PreImage: -1, Break: -1}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := h.Open(t)
			here, there := over(t, b, true), over(t, h.Reopen(t, b), true)
			deaf := over(t, h.Reopen(t, b), false)
			s := protocol.Scope{Workspace: "w", App: "a", Draft: true}
			m, err := ParseManifest(`{"agents":[{"id":"e","dataCollections":["leads"]}]}`)
			require.NoError(t, err)
			for round := range 3 {
				approved := round%2 == 0
				if approved {
					_, refused := here.Approve(t.Context(), access.Operator(), s, m)
					require.Nil(t, refused)
				} else {
					require.Nil(t, here.Revoke(t.Context(), access.Operator(), s))
				}
				require.Equal(t, approved, here.may(t, s), "at once where it was done")
				require.Eventually(t, func() bool { return there.may(t, s) == approved },
					planted.Wait(time.Minute), 5*time.Millisecond, "where the feed tells of it")
				if round > 0 {
					require.Equal(t, !approved, deaf.may(t, s), "what is known holds for a while")
				}
				at := there.store.Now() // reads of a database may lag up to here
				require.Eventually(t, func() bool { return deaf.store.Now().Reached(at) },
					planted.Wait(time.Minute), 5*time.Millisecond, "until the feed has come as far")
				deaf.later.Add(int64(knownTime))
				require.Equal(t, approved, deaf.may(t, s), "what is known does not hold for longer")
			}
			there.Changed(protocol.Ref{})
			require.Empty(t, there.known, "when everything was lost")
		})
	}
}
