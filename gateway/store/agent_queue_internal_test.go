package store

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/gateway/access"
	"github.com/secondgate/secondgate/protocol"
)

type anyGrant struct{}

func (anyGrant) Grant(context.Context, protocol.Scope) (access.Grant, *protocol.Error) {
	return access.Grant{}, nil
}

// TestAgentQueueIsFair: one agent's burst keeps neither another agent nor a person waiting, and what waits is
// forgotten when it is over.
func TestAgentQueueIsFair(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newAgentQueue()
		busy := access.Principal{ID: "agent:busy", Agent: anyGrant{}}
		ctx, cancel := context.WithCancel(t.Context())
		under := make(chan func(), 1000)
		for range 1000 {
			go func() {
				if leave, err := q.enter(ctx, busy); err == nil {
					under <- leave
				}
			}()
		}
		synctest.Wait()
		require.Len(t, under, writesOfAgent, "of one agent")
		for _, p := range []access.Principal{{ID: "agent:other", Agent: anyGrant{}}, {ID: "user:ann"}} {
			leave, err := q.enter(t.Context(), p)
			require.NoError(t, err)
			leave()
		}
		(<-under)()
		synctest.Wait()
		require.Len(t, under, writesOfAgent, "the next has its turn")
		cancel()
		synctest.Wait()
		for len(under) > 0 {
			(<-under)()
		}
		require.Empty(t, q.own)
		require.Empty(t, q.all)
	})
}
