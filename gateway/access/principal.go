package access

import (
	"context"
	"fmt"
	"time"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/protocol"
)

// Principal is who asks. Mutation ids of different principals are different ids.
type Principal struct {
	ID    string
	Name  string // for people; may be empty
	Actor backends.Actor
	// Roles are those that the credential names; nil in a mode without any.
	Roles *Roles
	// Expires is when the credential does; zero: never.
	Expires time.Time
	// Recheck is how long an answer of Allow holds for a connection that lasts; 0: until Expires.
	Recheck time.Duration

	// ChangeSet names what the principal's writes belong to together, so that they can be undone together;
	// empty: nothing is kept of what was before.
	ChangeSet string
	// AgentScope is the one scope that an agent's credential is for.
	AgentScope protocol.Scope
	// AgentOperations are those that an agent's credential is for; zero: all.
	AgentOperations OperationSet
	// Agent is what was approved for the principal, if it is an agent; nil for everybody else.
	Agent Approved

	operator   bool      // whoever has the database's password
	gateway    bool      // the gateway itself
	credential string    // what the mode asks again with
	issued     time.Time // when the token was; zero: it does not say
	tokenID    string    // the token's jti; may be empty
}

// Approved is what an agent may read and write, as of now.
type Approved interface {
	// Grant is what is approved in a scope at the moment. It fails with forbidden where nothing is.
	Grant(ctx context.Context, s protocol.Scope) (Grant, *protocol.Error)
}

// Gateway is the principal of what a gateway keeps for itself, in [protocol.SystemScope].
func Gateway() Principal {
	return Principal{ID: "gateway", Actor: backends.Actor{Kind: "service", ID: "gateway"}, gateway: true}
}

// Operator is the principal of whoever has the database's password, at a command line.
func Operator() Principal {
	return Principal{
		ID: "operator", Name: "operator", Actor: backends.Actor{Kind: "service", ID: "operator"}, operator: true,
	}
}

// IsGateway reports whether p is the gateway itself.
func (p Principal) IsGateway() bool { return p.gateway }

// RolesIn are the roles in the workspace of a scope and in its app, empty where there is none. Whom a
// mode asks for no credential is the owner.
func (p Principal) RolesIn(s protocol.Scope) (workspace, app string) {
	switch {
	case p.operator || p.Actor == localOwner.Actor:
		return Owner, ""
	case p.Roles == nil:
		return "", ""
	}
	return p.Roles.Of(s)
}

// Manages reports whether p is an owner or admin of the workspace of a scope.
func (p Principal) Manages(s protocol.Scope) bool {
	workspace, _ := p.RolesIn(s)
	return workspace == Owner || workspace == Admin
}

// Builds reports whether p may change the draft of an app: its creators, its collaborators, and who
// manages the workspace.
func (p Principal) Builds(s protocol.Scope) bool {
	workspace, app := p.RolesIn(s)
	return p.Manages(s) || workspace != "" && (app == Creator || app == Collaborator)
}

// String names the principal in logs.
func (p Principal) String() string { return fmt.Sprintf("%s:%s", p.Actor.Kind, p.Actor.ID) }

// expired reports whether the credential has expired by a time.
func (p Principal) expired(now time.Time) bool { return !p.Expires.IsZero() && !now.Before(p.Expires) }
