package store

import (
	"context"

	"github.com/secondgate/secondgate/gateway/access"
	"github.com/secondgate/secondgate/protocol"
)

// errReserved: what gateways keep for themselves is an app that nobody has.
var errReserved = protocol.Errorf(protocol.CodeAppNotFound, "there is no such app, or you have no access to it")

// allow is the one place where a principal's rights are asked for. What gateways keep for themselves is
// theirs alone. An agent has what was approved for it, whatever its credential's owner may do.
func (s *Store) allow(
	ctx context.Context, p access.Principal, scope protocol.Scope, right access.Right, uses ...access.Use,
) *protocol.Error {
	switch {
	case p.IsGateway():
		return nil
	case scope.IsSystem():
		return errReserved
	case p.Agent == nil:
		return s.mode.Allow(ctx, p, scope, right)
	}
	_, refused := allowAgent(ctx, p, scope, uses)
	return refused
}

// reading is the use of reading a collection.
func reading(collection string) access.Use {
	return access.Use{Collection: collection, Operation: access.OpRead}
}

// allowAgent returns the hash of the approval that allows it.
func allowAgent(
	ctx context.Context, p access.Principal, scope protocol.Scope, uses []access.Use,
) (hash string, refused *protocol.Error) {
	grant, refused := p.Agent.Grant(ctx, scope)
	if refused != nil {
		return "", refused
	}
	for _, u := range uses {
		if refused := grant.Allows(u); refused != nil {
			return "", refused
		}
	}
	return grant.Hash, nil
}

// allowWrite says whether a principal may write so, and under which approval.
func (s *Store) allowWrite(
	ctx context.Context, p access.Principal, scope protocol.Scope, uses []access.Use,
) (approval string, refused *protocol.Error) {
	if p.Agent == nil || scope.IsSystem() {
		return "", s.allow(ctx, p, scope, access.Write, uses...)
	}
	return allowAgent(ctx, p, scope, uses)
}

// allowWrites says of requests of one principal whether they may write, and under which approval. Only an
// agent's rights depend on the collection and the operation.
func (s *Store) allowWrites(
	ctx context.Context, p access.Principal, scope protocol.Scope,
) func(*protocol.Request) (approval string, refused *protocol.Error) {
	if p.Agent == nil || scope.IsSystem() {
		_, refused := s.allowWrite(ctx, p, scope, nil)
		return func(*protocol.Request) (string, *protocol.Error) { return "", refused }
	}
	return func(r *protocol.Request) (string, *protocol.Error) {
		return allowAgent(ctx, p, scope, usesOf(r))
	}
}

// usesOf are the uses of a write, or of each operation of a batch.
func usesOf(r *protocol.Request) (all []access.Use) {
	if r.Type != protocol.TypeBatch {
		return []access.Use{{Collection: r.Collection, Operation: access.Operation(operationOf(r.Type))}}
	}
	for i := range r.Operations {
		all = append(all, usesOf(&r.Operations[i])...)
	}
	return all
}

// hideUnread leaves out of the answer to an agent's write the documents of collections that it may
// not read, but for those that it has just made itself.
func hideUnread(ctx context.Context, p access.Principal, scope protocol.Scope, a *protocol.Answer) {
	if p.Agent == nil || a.Err != nil {
		return
	}
	if a.Request.Type == protocol.TypeBatch {
		for i := range a.Results {
			a.Results[i].Replayed = a.Replayed
			hideUnread(ctx, p, scope, &a.Results[i])
			a.Results[i].Replayed = false
		}
		return
	}
	own := a.Created && !a.Replayed
	if a.Doc == nil || own {
		return
	}
	if _, refused := allowAgent(ctx, p, scope, []access.Use{reading(a.Request.Collection)}); refused != nil {
		a.Doc = nil
	}
}
