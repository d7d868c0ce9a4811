package approvals

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/gateway/access"
	"github.com/secondgate/secondgate/gateway/store"
	"github.com/secondgate/secondgate/protocol"
)

// TestKnownIsBounded: however many apps ask, and however long their files are.
func TestKnownIsBounded(t *testing.T) {
	t.Parallel()
	a := New(nil)
	for i := range maxKnown + 10 {
		a.entry(protocol.Scope{Workspace: "w", App: fmt.Sprint(i)})
	}
	require.LessOrEqual(t, len(a.known), maxKnown)
	for i := range 200 {
		s := protocol.Scope{Workspace: "v", App: fmt.Sprint(i)}
		a.weigh(s, a.entry(s), MaxManifest)
		a.weigh(s, a.entry(s), MaxManifest) // read again
		require.LessOrEqual(t, a.knownBytes, maxKnownBytes)
	}
	for s := range a.known {
		a.forget(s)
	}
	require.Zero(t, a.knownBytes)
}

// TestAWaitForAnotherReadEnds: who waits for somebody else's read of an approval waits no longer than its
// own time.
func TestAWaitForAnotherReadEnds(t *testing.T) {
	t.Parallel()
	a, s := New(&store.Store{}), protocol.Scope{Workspace: "w", App: "a"}
	a.entry(s).reading <- struct{}{} // a read that hangs
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, refused := a.approved(ctx, s)
	require.Equal(t, protocol.CodeUnavailable, refused.Code)
}

// TestFilesThatGrow: a file whose text would be many times its length is refused, or kept as one line.
func TestFilesThatGrow(t *testing.T) {
	t.Parallel()
	deep := `{"agents":[` + strings.Repeat("[", 5000) + strings.Repeat("]", 5000) + `]}`
	_, err := ParseManifest(deep)
	require.EqualError(t, err, "agents.json is nested more than 64 deep: flatten it")
	wide := `{"agents":[` + strings.Repeat("[", 50) + strings.Repeat("1,", 100_000) + "1" + strings.Repeat("]", 50) + `]}`
	m, err := ParseManifest(wide)
	require.NoError(t, err)
	require.Equal(t, wide+"\n", m.Pretty())
}

// BenchmarkGrant is what an approval that is known costs a write.
func BenchmarkGrant(b *testing.B) {
	a, s, now := New(nil), protocol.Scope{Workspace: "w", App: "a"}, time.Now()
	a.now = func() time.Time { return now }
	k := a.entry(s)
	k.read, k.rights = now, rights{hash: "v1:0", exists: true, may: map[string]map[string]access.OperationSet{
		"e": {"leads": access.AllOperations},
	}}
	agent, use := a.Agent("e"), access.Use{Collection: "leads", Operation: access.OpInsert}
	for b.Loop() {
		if g, refused := agent.Grant(b.Context(), s); refused != nil || g.Allows(use) != nil {
			b.Fatal(refused)
		}
	}
}
