package access

import (
	"context"
	"fmt"
	"net/http"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/protocol"
)

// Principal is who asks. Mutation ids of different principals are different ids.
type Principal struct {
	ID    string
	Actor backends.Actor
}

// String names the principal in logs.
func (p Principal) String() string { return fmt.Sprintf("%s:%s", p.Actor.Kind, p.Actor.ID) }

// Right is what a principal wants to do in a scope.
type Right uint8

// The rights. Follow is Read for as long as a connection lasts.
const (
	Read Right = iota + 1
	Write
)

// Mode decides who a request is from and what its principal may do. There is one per gateway; any
// goroutine may call it.
type Mode interface {
	// Identify names the principal of a request. Its error is shown to the client.
	Identify(r *http.Request) (Principal, *protocol.Error)
	// Allow returns nil when the principal has the right in the scope, and what the client is told
	// otherwise.
	Allow(ctx context.Context, p Principal, s protocol.Scope, right Right) *protocol.Error
}

// None is the mode for local use: everyone who reaches the listener is the local owner and may do
// everything.
type None struct{}

var localOwner = Principal{Actor: backends.Actor{Kind: "anonymous"}}

// Identify takes every request for the local owner's.
func (None) Identify(*http.Request) (Principal, *protocol.Error) { return localOwner, nil }

// Allow refuses nothing.
func (None) Allow(context.Context, Principal, protocol.Scope, Right) *protocol.Error { return nil }
