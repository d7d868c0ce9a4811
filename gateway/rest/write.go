package rest

import (
	"cmp"
	"context"
	"crypto/rand"
	"mime"
	"net/http"
	"strings"

	"github.com/go-chi/chi/v5"

	"github.com/secondgate/secondgate/gateway/audit"
	"github.com/secondgate/secondgate/gateway/door"
	"github.com/secondgate/secondgate/gateway/store"
	"github.com/secondgate/secondgate/protocol"
)

var errIfMatch = protocol.Errorf(
	protocol.CodeInvalidMessage, "If-Match is for PATCH, DELETE and GET: leave it out of POST",
)

// insert is POST …/data {collection, data, [docId]}.
func (h handler) insert(c *call, w http.ResponseWriter, r *http.Request) *protocol.Error {
	if len(r.Header.Values("If-Match")) > 0 {
		return errIfMatch
	}
	request, refused := h.readBody(c, w, r, bodyOf(protocol.TypeInsert))
	if refused != nil {
		return refused
	}
	a, refused := h.write(r, c, request)
	if refused == nil {
		h.answerDocument(c, w, http.StatusCreated, a.Doc)
	}
	return refused
}

// update is PATCH …/data/{docId} {collection, data}. Names with dots in data lead to nested fields.
func (h handler) update(c *call, w http.ResponseWriter, r *http.Request) *protocol.Error {
	match, refused := parseIfMatch(r)
	if refused != nil {
		return refused
	}
	request, refused := h.readBody(c, w, r, bodyOf(protocol.TypeUpdate))
	if refused != nil {
		return refused
	}
	request.DocID, request.IfRev, request.Paths = c.docID, match, true
	a, refused := h.write(r, c, request)
	if refused == nil {
		h.answerDocument(c, w, http.StatusOK, a.Doc)
	}
	return refused
}

// remove is DELETE …/data/{docId}?collection=c.
func (h handler) remove(c *call, w http.ResponseWriter, r *http.Request) *protocol.Error {
	match, refused := parseIfMatch(r)
	if refused != nil {
		return refused
	}
	if refused := c.needsCollection(); refused != nil {
		return refused
	}
	_, refused = h.write(r, c, protocol.Request{
		Type: protocol.TypeDelete, Collection: c.collection, DocID: c.docID, IfRev: match,
	})
	if refused == nil {
		h.answerJSON(c, w, http.StatusOK, []byte("{\"ok\":true}\n"))
	}
	return refused
}

// write carries a write out. A passing fault may leave it unknown whether the write happened, so
// each has a mutation id, one of the gateway's own if the client gave none: trying again has one
// effect.
func (h handler) write(
	r *http.Request, c *call, request protocol.Request,
) (a protocol.Answer, refused *protocol.Error) {
	if request.MutationID == "" {
		if request.MutationID, refused = idempotencyKey(r); refused != nil {
			return a, refused
		}
	}
	from := audit.WithOrigin(r.Context(), h.origin(r))
	refused = retryUnavailable(from, func(ctx context.Context) *protocol.Error {
		a = h.env.Store.Write(ctx, c.principal, c.scope, []*protocol.Request{&request})[0].Answer
		return a.Err
	})
	return a, refused
}

// origin is what the audit trail keeps of where a request comes from.
func (h handler) origin(r *http.Request) *audit.Origin {
	id := cmp.Or(r.Header.Get("X-Request-Id"), r.Header.Get("X-Vercel-Id"))
	return audit.NewOrigin(h.env.Client(r), id)
}

// auditDenied notes a write that lacks the right for it.
func (h handler) auditDenied(r *http.Request, c *call, refused *protocol.Error) {
	operation := map[string]string{
		http.MethodPost: "insert", http.MethodPatch: "update", http.MethodDelete: "delete",
	}[r.Method]
	// What the body of a POST to these would have done is not read.
	_, path, found := strings.Cut(chi.RouteContext(r.Context()).RoutePattern(), door.DataPath+"/")
	if found && r.Method == http.MethodPost {
		operation = path
	}
	ctx := audit.WithOrigin(r.Context(), h.origin(r))
	h.env.Store.AuditDenied(ctx, c.principal, c.scope, operation, refused)
}

// idempotencyKey is the client's, or one of the gateway's own.
func idempotencyKey(r *http.Request) (string, *protocol.Error) {
	key, refused := door.IdempotencyKey(r)
	return cmp.Or(key, "rest-"+rand.Text()), refused
}

// parseIfMatch is the revision that If-Match names (RFC 9110 §13.1.1), "" for none. "*" asks for
// what PATCH and DELETE need anyway. A weak or empty tag is handed on as it is written, which no
// revision ever equals.
func parseIfMatch(r *http.Request) (rev string, refused *protocol.Error) {
	values := r.Header.Values("If-Match")
	if len(values) == 0 {
		return "", nil
	}
	text := strings.TrimSpace(strings.Join(values, ","))
	if text == "*" {
		return "", nil
	}
	malformed := protocol.Errorf(
		protocol.CodeInvalidMessage, `If-Match must be one ETag in quotes, such as "abc", or *`,
	)
	opaque, weak := strings.CutPrefix(text, "W/")
	if len(opaque) < 2 || opaque[0] != '"' || opaque[len(opaque)-1] != '"' {
		return "", malformed
	}
	inner := opaque[1 : len(opaque)-1]
	for i := range len(inner) {
		if inner[i] <= ' ' || inner[i] == '"' || inner[i] == 0x7f {
			return "", malformed
		}
	}
	if weak || inner == "" {
		return text, nil
	}
	return inner, nil
}

// decode makes a request of a body.
type decode func(body []byte, limits protocol.Limits) (protocol.Request, error)

func bodyOf(t protocol.Type) decode {
	return func(body []byte, limits protocol.Limits) (protocol.Request, error) {
		return protocol.DecodeBody(body, t, limits)
	}
}

// readBody reads the body as a request. It is JSON whatever its Content-Type says, but for pages:
// those may send anything else to anywhere without being asked.
func (h handler) readBody(
	c *call, w http.ResponseWriter, r *http.Request, decode decode,
) (protocol.Request, *protocol.Error) {
	if r.Header.Get("Origin") != "" && !isJSON(r) {
		return protocol.Request{}, protocol.Errorf(
			protocol.CodeInvalidMessage, "a page must send its body as application/json",
		)
	}
	if refused := h.env.Quotas.Bytes(c.allowance, int(max(r.ContentLength, 0))); refused != nil {
		return protocol.Request{}, refused
	}
	body, room, refused := h.env.TakeBody(w, r)
	c.room += room
	if refused == nil && r.ContentLength < 0 {
		refused = h.env.Quotas.Bytes(c.allowance, len(body))
	}
	if refused != nil {
		return protocol.Request{}, refused
	}
	var request protocol.Request
	var malformed error
	refused = h.env.Parse(r.Context(), body, func(body []byte) {
		request, malformed = decode(body, h.env.Limits)
	})
	if refused = cmp.Or(refused, store.ClientError(malformed)); refused == nil {
		refused = h.takeRoom(c)
	}
	return request, refused
}

func isJSON(r *http.Request) bool {
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return kind == "application/json"
}
