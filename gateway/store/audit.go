package store

import (
	"context"

	"github.com/secondgate/secondgate/gateway/access"
	"github.com/secondgate/secondgate/gateway/audit"
	"github.com/secondgate/secondgate/protocol"
)

// actorOf is who a principal is in a scope, as the audit trail tells it.
func actorOf(p access.Principal, s protocol.Scope) audit.Actor {
	a := audit.Actor{Kind: p.Actor.Kind, ID: p.Actor.ID, Name: p.Name, ChangeSet: p.ChangeSet}
	if p.Roles != nil {
		a.Role, _ = p.Roles.Of(s)
	}
	return a
}

// operationOf names what a request asks for.
func operationOf(t protocol.Type) string {
	switch t {
	case protocol.TypeInsert:
		return "insert"
	case protocol.TypeUpdate:
		return "update"
	case protocol.TypeDelete:
		return "delete"
	case protocol.TypeUpsert:
		return "upsert"
	}
	return "batch"
}

// auditRefusal has the trail note a write that was refused. One that may succeed later is tried again, and
// leaves no row.
func (s *Store) auditRefusal(
	ctx context.Context, p access.Principal, scope protocol.Scope, a *protocol.Answer,
) {
	if a.Err == nil || a.Err.Code.Info().Retryable {
		return
	}
	r := a.Request
	s.trail.Refuse(ctx, audit.Refused{
		Scope: scope, By: actorOf(p, scope), Operation: operationOf(r.Type), Collection: r.Collection,
		DocID: r.DocID, RequestID: r.RequestID, Reason: a.Err,
	})
}

// AuditEvents returns rows of a workspace's audit trail, of a caller that access.IdentifyManager has let in.
func (s *Store) AuditEvents(
	ctx context.Context, workspace string, q audit.Query,
) (audit.Page, *protocol.Error) {
	page, err := s.trail.List(ctx, workspace, q)
	if err != nil {
		s.faults.note("read", err)
		return page, s.Failure(&protocol.Request{Type: protocol.TypeList}, err)
	}
	return page, nil
}

// AuditDenied has the trail note a write that a door has refused for the lack of a right, before it read what
// was to be written.
func (s *Store) AuditDenied(
	ctx context.Context, p access.Principal, scope protocol.Scope, operation string, refused *protocol.Error,
) {
	if scope == (protocol.Scope{}) || p.Actor.Kind == "" || refused.Code.Info().Retryable {
		return
	}
	s.trail.Refuse(ctx, audit.Refused{
		Scope: scope, By: actorOf(p, scope), Operation: operation, Reason: refused,
	})
}
