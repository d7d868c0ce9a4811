package access

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/protocol"
)

// TestOperationSets: a set has what was put in, and nothing that is no operation.
func TestOperationSets(t *testing.T) {
	t.Parallel()
	var set OperationSet
	require.False(t, set.Has(OpRead))
	require.False(t, set.Has(""), "not even any")
	for _, op := range []Operation{OpDelete, OpRead, OpRead} {
		var known bool
		set, known = set.With(op)
		require.True(t, known)
	}
	require.Equal(t, []Operation{OpRead, OpDelete}, set.List())
	require.True(t, set.Has(""))
	require.False(t, set.Has(OpInsert))
	same, known := set.With("drop")
	require.False(t, known)
	require.Equal(t, set, same)
	require.False(t, AllOperations.Has("drop"))
	require.Len(t, AllOperations.List(), 5)
}

// TestAgentTokensForOperations: a token may be for some operations alone, and a claim that nobody
// understands is refused.
func TestAgentTokensForOperations(t *testing.T) {
	t.Parallel()
	m := NewAgentJWT(secret, "issuer", "gateway")
	agent := map[string]any{"id": "e1", "workspace": "w", "app": "a"}
	identify := func(operations any) (Principal, *protocol.Error) {
		agent["operations"] = operations
		return m.Identify(signedAs(t, AgentKind, agent), protocol.Scope{})
	}
	p, refused := identify([]string{"read", "upsert"})
	require.Nil(t, refused)
	require.Equal(t, []Operation{OpRead, OpUpsert}, p.AgentOperations.List())
	for name, operations := range map[string]any{
		"nothing": nil, "no list": "read", "an empty list": []string{}, "no operation": []string{"read", "drop"},
		"no text": []int{1},
	} {
		_, refused := identify(operations)
		require.NotNil(t, refused, name)
		require.Equal(t, protocol.CodeUnauthorized, refused.Code, name)
	}
}

// approved may read and delete in one collection.
type approved struct{ refused *protocol.Error }

func (a approved) Grant(context.Context, protocol.Scope) (Grant, *protocol.Error) {
	return Grant{Hash: "h", Collections: []string{"c"}, Allows: func(u Use) *protocol.Error {
		if u.Collection != "c" || u.Operation != OpRead && u.Operation != OpDelete {
			return protocol.Errorf(protocol.CodeForbidden, "it was not approved")
		}
		return nil
	}}, a.refused
}

// TestNarrowed: a credential takes away from what was approved, and adds nothing.
func TestNarrowed(t *testing.T) {
	t.Parallel()
	only := func(ops ...Operation) (set OperationSet) {
		for _, op := range ops {
			set, _ = set.With(op)
		}
		return set
	}
	for name, row := range map[string]struct {
		to  OperationSet
		may []Operation
	}{
		"all":             {0, []Operation{OpRead, OpDelete}},
		"one of two":      {only(OpRead), []Operation{OpRead}},
		"one that is not": {only(OpRead, OpInsert), []Operation{OpRead}},
		"none of them":    {only(OpInsert), nil},
	} {
		grant, refused := Narrowed(approved{}, row.to).Grant(t.Context(), app)
		require.Nil(t, refused, name)
		require.Equal(t, "h", grant.Hash, name)
		require.Equal(t, row.may, grant.Operations("c"), name)
		require.Empty(t, grant.Operations("other"), name)
	}
	ended := protocol.Errorf(protocol.CodeForbidden, "the approval has ended")
	_, refused := Narrowed(approved{ended}, only(OpRead)).Grant(t.Context(), app)
	require.Equal(t, ended, refused)
}
