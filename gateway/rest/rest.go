package rest

import (
	"context"
	"net/http"
	"net/url"
	"strconv"

	"github.com/go-chi/chi/v5"

	"github.com/secondgate/secondgate/gateway/access"
	"github.com/secondgate/secondgate/gateway/door"
	"github.com/secondgate/secondgate/gateway/limits"
	"github.com/secondgate/secondgate/gateway/retry"
	"github.com/secondgate/secondgate/gateway/store"
	"github.com/secondgate/secondgate/protocol"
)

// call is one REST request as far as its URL and headers say.
type call struct {
	principal  access.Principal
	allowance  *limits.Allowance
	scope      protocol.Scope
	docID      string
	collection string
	query      url.Values
	rev        bool // documents carry _rev
	room       int  // what the call has of Env.Memory
	ctx        context.Context
}

// handler serves the door in an Env.
type handler struct{ env *door.Env }

// serve answers a call, or refuses it before it has written anything.
type serve func(c *call, w http.ResponseWriter, r *http.Request) *protocol.Error

// Routes adds the paths of an app's documents.
func Routes(r chi.Router, env *door.Env) {
	h := handler{env}
	const document = door.DataPath + "/{docId}"
	r.Get(door.DataPath, h.call(access.Read, h.list))
	r.Head(door.DataPath, h.call(access.Read, h.list))
	r.Post(door.DataPath, h.call(access.Write, h.insert))
	r.Options(door.DataPath, door.Preflight("GET, HEAD, POST, OPTIONS"))
	r.Get(document, h.call(access.Read, h.document))
	r.Head(document, h.call(access.Read, h.document))
	r.Patch(document, h.call(access.Write, h.update))
	r.Delete(document, h.call(access.Write, h.remove))
	r.Post(ticketPath, h.call(access.Read, h.ticket))
	r.Post(messagePath, h.call(access.Write, h.message))
	r.Post(undoPath, h.call(access.Write, h.undo))
	r.Options(messagePath, door.Preflight("GET, HEAD, POST, PATCH, DELETE, OPTIONS"))
	r.Options(undoPath, door.Preflight("GET, HEAD, POST, PATCH, DELETE, OPTIONS"))
	r.Options(ticketPath, door.Preflight("GET, HEAD, POST, PATCH, DELETE, OPTIONS"))
	r.Options(document, door.Preflight("GET, HEAD, PATCH, DELETE, OPTIONS"))
}

// call asks for the right, reads the URL, takes one request of what the user may ask and room for a short
// answer, has the call served and answers refusals. A call with a body takes that room once the body has
// come: half a body must not hold it.
func (h handler) call(right access.Right, serve serve) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		c, refused := h.parse(r, right)
		c.ctx = r.Context()
		defer func() { h.env.Memory.Release(c.room) }()
		if refused == nil {
			c.allowance = h.env.Quotas.Rates.Of(c.principal.ID)
			refused = h.env.Quotas.Request(c.allowance)
		}
		if refused == nil && r.Method != http.MethodPost && r.Method != http.MethodPatch {
			refused = h.takeRoom(&c)
		}
		if refused == nil {
			refused = serve(&c, w, r)
		}
		if refused != nil {
			h.env.Refuse(w, refused)
		}
	}
}

func (h handler) parse(r *http.Request, right access.Right) (c call, refused *protocol.Error) {
	var malformed error
	c.query, malformed = url.ParseQuery(r.URL.RawQuery)
	reads := r.Method == http.MethodGet || r.Method == http.MethodHead
	if c.principal, c.scope, refused = h.env.Identify(r, c.query, right); refused != nil {
		if right == access.Write {
			h.auditDenied(r, &c, refused)
		}
		return c, refused
	}
	if malformed != nil {
		return c, errMalformedQuery
	}
	if reads && r.ContentLength != 0 {
		return c, protocol.Errorf(protocol.CodeInvalidMessage, "%s takes no body", r.Method)
	}
	c.docID, c.collection, c.rev = door.Segment(r, "docId"), c.query.Get("collection"), door.WantsRev(c.query)
	for what, name := range map[string]string{"the id": c.docID, "collection": c.collection} {
		if err := protocol.CheckName(what, name); err != nil {
			return c, store.ClientError(err)
		}
	}
	if !door.IsText(c.docID) || !door.IsText(c.collection) {
		return c, protocol.Errorf(protocol.CodeInvalidID, "ids and collection names are UTF-8 without U+0000")
	}
	return c, nil
}

// document is GET …/data/{docId}?collection=c.
func (h handler) document(c *call, w http.ResponseWriter, r *http.Request) *protocol.Error {
	match, refused := parseIfMatch(r)
	if refused != nil {
		return refused
	}
	request := protocol.Request{Type: protocol.TypeDoc, Collection: c.collection, DocID: c.docID}
	if refused := c.needsCollection(); refused != nil {
		return refused
	}
	var a protocol.Answer
	for asked := 0; ; { // a long one is read again, once there is room for it
		if refused = h.grow(c, asked); refused != nil {
			return refused
		}
		refused = retryUnavailable(r.Context(), func(ctx context.Context) *protocol.Error {
			a, _ = h.env.Store.Doc(ctx, c.principal, c.scope, &request, store.Read{})
			return a.Err
		})
		// The budget may have less than was asked for. Then it gave all that it has.
		if refused != nil || a.Doc == nil || len(a.Doc.Data) <= max(asked, c.room) {
			break
		}
		asked = len(a.Doc.Data)
		a = protocol.Answer{}
	}
	switch {
	case refused != nil:
		return refused
	case a.Doc == nil:
		return protocol.Errorf(protocol.CodeNotFound, "there is no document %q in %q", c.docID, c.collection)
	case match != "" && match != a.Doc.Rev:
		return protocol.Errorf(protocol.CodeConflict, "the document has changed since that revision: read it again")
	}
	h.answerDocument(c, w, http.StatusOK, a.Doc)
	return nil
}

func (c *call) needsCollection() *protocol.Error {
	if c.collection == "" {
		return protocol.Errorf(protocol.CodeInvalidMessage, "name the document's collection: ?collection=")
	}
	return nil
}

// answerDocument answers {"doc"}; doc is null where the document of a replayed write is gone.
func (h handler) answerDocument(c *call, w http.ResponseWriter, status int, doc *protocol.Document) {
	body := append([]byte(nil), `{"doc":`...)
	if doc == nil {
		body = append(body, "null"...)
	} else {
		w.Header().Set("ETag", `"`+doc.Rev+`"`)
		body = protocol.AppendDocument(body, doc, c.rev)
	}
	h.answerJSON(c, w, status, append(body, "}\n"...))
}

// answerJSON answers with a whole body, and gives up on a client that takes nothing of it.
func (h handler) answerJSON(c *call, w http.ResponseWriter, status int, body []byte) {
	if more := len(body) - c.room; more > 0 { // of a write, which is done
		h.env.Memory.Take(more)
		c.room += more
	}
	h.shrink(c, len(body))
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	out := h.env.ResponseBody(c.ctx, w)
	if out.Write(body) == nil { // a client that has gone does not miss it
		_ = out.Close()
	}
}

// takeRoom takes room for a short answer.
func (h handler) takeRoom(c *call) *protocol.Error {
	room, refused := door.Room(c.ctx, h.env.Memory, limits.Small)
	c.room += room
	return refused
}

// grow has the call hold at least n bytes of Env.Memory.
func (h handler) grow(c *call, n int) (refused *protocol.Error) {
	if n <= c.room {
		return nil
	}
	h.env.Memory.Release(c.room)
	c.room, refused = door.Room(c.ctx, h.env.Memory, n)
	return refused
}

// shrink gives back what the call has of Env.Memory beyond n bytes. Little is not counted: a client
// that takes a short answer slowly holds up nobody.
func (h handler) shrink(c *call, n int) {
	if n <= limits.Free {
		n = 0
	}
	if c.room > n {
		h.env.Memory.Release(c.room - n)
		c.room = n
	}
}

// retryUnavailable repeats what fails for a passing reason, for as long as a request may take.
func retryUnavailable(
	ctx context.Context, attempt func(ctx context.Context) *protocol.Error,
) *protocol.Error {
	return retry.Unavailable(ctx, store.RequestTime, attempt)
}
