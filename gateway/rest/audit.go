package rest

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"

	"github.com/go-chi/chi/v5"

	"github.com/secondgate/secondgate/gateway/access"
	"github.com/secondgate/secondgate/gateway/audit"
	"github.com/secondgate/secondgate/gateway/door"
	"github.com/secondgate/secondgate/protocol"
)

// auditPath is where the rows of a workspace's audit trail are.
const auditPath = "/api/workspaces/{workspace}/audit-events"

// auditRoom is what an answer of rows takes while it is made, about.
const auditRoom = 1 << 20

var errMalformedQuery = protocol.Errorf(
	protocol.CodeInvalidMessage, "the query is malformed: percent-encode its values")

// AuditRoutes adds the path of the audit trail.
func AuditRoutes(r chi.Router, env *door.Env) {
	h := handler{env}
	r.Get(auditPath, h.auditEvents)
	r.Head(auditPath, h.auditEvents)
	r.Options(auditPath, door.Preflight("GET, HEAD, OPTIONS"))
}

// auditEvents is GET …/audit-events.
func (h handler) auditEvents(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	c := call{ctx: r.Context()}
	defer func() { h.env.Memory.Release(c.room) }()
	body, refused := h.auditPage(&c, r)
	if refused != nil {
		h.env.Refuse(w, refused)
		return
	}
	h.answerJSON(&c, w, http.StatusOK, append(body, '\n'))
}

func (h handler) auditPage(c *call, r *http.Request) (body []byte, refused *protocol.Error) {
	workspace, q, refused := h.parseAudit(c, r)
	if refused != nil {
		return nil, refused
	}
	c.allowance = h.env.Quotas.Rates.Of(c.principal.ID)
	if refused = h.env.Quotas.Request(c.allowance); refused != nil {
		return nil, refused
	}
	if refused = h.grow(c, auditRoom); refused != nil {
		return nil, refused
	}
	var page audit.Page
	refused = retryUnavailable(r.Context(), func(ctx context.Context) (refused *protocol.Error) {
		page, refused = h.env.Store.AuditEvents(ctx, workspace, q)
		return refused
	})
	if refused != nil {
		return nil, refused
	}
	body, _ = json.Marshal(page) // cannot fail
	return body, nil
}

// parseAudit reads the request in the order of checks: who, where, allowed, and then the rest.
func (h handler) parseAudit(
	c *call, r *http.Request,
) (workspace string, q audit.Query, refused *protocol.Error) {
	workspace, unknown := door.WorkspaceOf(r)
	if c.principal, refused = access.IdentifyManager(h.env.Mode, r, workspace); refused != nil {
		return "", q, refused
	}
	values, malformed := url.ParseQuery(r.URL.RawQuery)
	switch {
	case unknown != nil:
		return "", q, unknown
	case malformed != nil:
		return "", q, errMalformedQuery
	case r.ContentLength != 0:
		return "", q, protocol.Errorf(protocol.CodeInvalidMessage, "%s takes no body", r.Method)
	}
	q, refused = audit.ParseQuery(workspace, values)
	return workspace, q, refused
}
