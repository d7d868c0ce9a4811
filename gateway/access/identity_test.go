package access

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/protocol"
)

// TestIdentity is what welcome tells: nothing where nobody knows who somebody is.
func TestIdentity(t *testing.T) {
	t.Parallel()
	p := verified(t, good())
	identity := NewGuard(tokens(), p, protocol.Scope{Workspace: "w1", App: "a1"}).Identity()
	require.Equal(t, &protocol.Identity{
		UserID: "u1", UserName: "Ada", Role: Viewer, Rights: Rights, ExpiresAt: p.Expires,
	}, identity)
	require.Nil(t, NewGuard(None{}, localOwner, home).Identity())
}
