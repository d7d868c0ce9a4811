package access

import (
	"context"
	"net/http"
	"time"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/protocol"
)

// Right is what a principal wants to do in a scope.
type Right uint8

// The rights. Follow is Read for as long as a connection lasts.
const (
	Read Right = iota + 1
	Write
)

// Rights are the names of the rights, as clients are told them.
var Rights = []string{"read", "write"}

// Mode decides who a request is from and what its principal may do. There is one per gateway; any
// goroutine may call it. Its errors are shown to the client; a retryable one says that the decision
// cannot be made for the moment.
type Mode interface {
	// Realm tells apart what knows other users: a ticket of one realm holds in no other.
	Realm() string
	// Identify names the principal of a request for a scope. The scope is zero where the request
	// names none that can be, and has no app where the request is for the workspace.
	Identify(r *http.Request, s protocol.Scope) (Principal, *protocol.Error)
	// Renew is the principal of a connection with another credential of the same user.
	Renew(ctx context.Context, p Principal, s protocol.Scope, token string) (Principal, *protocol.Error)
	// Allow returns nil when the principal has the right in the scope, and what the client is told
	// otherwise.
	Allow(ctx context.Context, p Principal, s protocol.Scope, right Right) *protocol.Error
}

// None is the mode for local use: everyone who reaches the listener is the local owner and may do
// everything.
type None struct{}

var localOwner = Principal{Actor: backends.Actor{Kind: "anonymous"}}

// Realm implements [Mode].
func (None) Realm() string { return "none" }

// Identify takes every request for the local owner's.
func (None) Identify(*http.Request, protocol.Scope) (Principal, *protocol.Error) {
	return localOwner, nil
}

// Renew changes nothing: nobody is asked for a credential.
func (None) Renew(_ context.Context, p Principal, _ protocol.Scope, _ string) (Principal, *protocol.Error) {
	return p, nil
}

// Allow refuses nothing.
func (None) Allow(context.Context, Principal, protocol.Scope, Right) *protocol.Error { return nil }

// errExpired is for a credential that was good once.
func errExpired() *protocol.Error {
	return protocol.Errorf(protocol.CodeUnauthorized, "the token has expired: sign in again and send a new one")
}

// allowByRoles is Allow by what the credential says.
func allowByRoles(p Principal, s protocol.Scope, now time.Time) *protocol.Error {
	if p.expired(now) {
		return errExpired()
	}
	return p.Roles.check(s)
}
