package gateway

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-chi/chi/v5"

	"github.com/secondgate/secondgate/protocol"
)

const dataPath = "/api/workspaces/{workspace}/apps/{app}/data"

// call is one REST request as far as its URL tells.
type call struct {
	scope      protocol.Scope
	docID      string
	collection string
	query      url.Values
	rev        bool // documents carry _rev
}

// restHandler answers a call, or refuses it before it has written anything.
type restHandler func(c *call, w http.ResponseWriter, r *http.Request) *protocol.Error

// serveREST adds the legacy paths. They are what today's clients use, to the letter: see docs/protocol.md.
func (g *Gateway) serveREST(r chi.Router) {
	r.Group(func(r chi.Router) {
		r.Use(crossOrigin)
		r.Get(dataPath, g.rest(g.serveList))
		r.Head(dataPath, g.rest(g.serveList))
		r.Post(dataPath, g.rest(g.serveInsert))
		r.Options(dataPath, preflight("GET, HEAD, POST, OPTIONS"))
		r.Get(dataPath+"/stream", g.serveStream)
		r.Options(dataPath+"/stream", preflight("GET, OPTIONS"))
		r.Get(dataPath+"/{docId}", g.rest(g.serveDocument))
		r.Head(dataPath+"/{docId}", g.rest(g.serveDocument))
		r.Patch(dataPath+"/{docId}", g.rest(g.serveUpdate))
		r.Delete(dataPath+"/{docId}", g.rest(g.serveDelete))
		r.Options(dataPath+"/{docId}", preflight("GET, HEAD, PATCH, DELETE, OPTIONS"))
	})
}

// rest reads the URL, has the call answered and answers refusals.
func (g *Gateway) rest(h restHandler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		c, refused := parseCall(r)
		if refused == nil {
			refused = h(&c, w, r)
		}
		if refused != nil {
			g.refuse(w, refused)
		}
	}
}

func parseCall(r *http.Request) (c call, refused *protocol.Error) {
	if (r.Method == http.MethodGet || r.Method == http.MethodHead) && r.ContentLength != 0 {
		return c, protocol.Errorf(protocol.CodeInvalidMessage, "%s takes no body", r.Method)
	}
	var err error
	if c.query, err = url.ParseQuery(r.URL.RawQuery); err != nil {
		return c, protocol.Errorf(protocol.CodeInvalidMessage, "the query is malformed: percent-encode its values")
	}
	if c.scope, refused = pathScope(r, c.query); refused != nil {
		return c, refused
	}
	c.docID, c.collection, c.rev = segment(r, "docId"), c.query.Get("collection"), wantsRev(c.query)
	if !isText(c.docID) || !isText(c.collection) {
		return c, protocol.Errorf(protocol.CodeInvalidID, "ids and collection names are UTF-8 without U+0000")
	}
	return c, nil
}

func wantsRev(query url.Values) bool { return query.Get("rev") == "1" }

// pathScope is the scope that the path and ?version= name.
func pathScope(r *http.Request, query url.Values) (protocol.Scope, *protocol.Error) {
	s, err := protocol.ParseScope(segment(r, "workspace"), segment(r, "app"), query.Get("version"))
	return s, clientError(err)
}

// segment is one decoded part of the path. Ids are data: an encoded slash or dot was never a path. The router matches
// RawPath where the URL has one, so only then is the part still encoded.
func segment(r *http.Request, name string) string {
	part := chi.URLParam(r, name)
	if r.URL.RawPath == "" {
		return part
	}
	text, err := url.PathUnescape(part)
	if err != nil {
		return part // net/http has refused such paths
	}
	return text
}

// isText: databases keep neither other bytes nor U+0000 in a name.
func isText(s string) bool { return utf8.ValidString(s) && !strings.Contains(s, "\x00") }

// serveDocument is GET …/data/{docId}?collection=c.
func (g *Gateway) serveDocument(c *call, w http.ResponseWriter, r *http.Request) *protocol.Error {
	match, refused := parseIfMatch(r)
	if refused != nil {
		return refused
	}
	request := protocol.Request{Type: protocol.TypeDoc, Collection: c.collection, DocID: c.docID}
	if refused := c.needsCollection(); refused != nil {
		return refused
	}
	var a protocol.Answer
	refused = patiently(r.Context(), func(ctx context.Context) *protocol.Error {
		a, _ = g.store.Doc(ctx, c.scope, &request, nil)
		return a.Err
	})
	switch {
	case refused != nil:
		return refused
	case a.Doc == nil:
		return protocol.Errorf(protocol.CodeNotFound, "there is no document %q in %q", c.docID, c.collection)
	case match != "" && match != a.Doc.Rev:
		return protocol.Errorf(protocol.CodeConflict, "the document has changed since that revision: read it again")
	}
	c.answerDocument(w, http.StatusOK, a.Doc)
	return nil
}

func (c *call) needsCollection() *protocol.Error {
	if c.collection == "" {
		return protocol.Errorf(protocol.CodeInvalidMessage, "name the document's collection: ?collection=")
	}
	return nil
}

// answerDocument answers {"doc"}; doc is null where a replayed write's document has gone.
func (c *call) answerDocument(w http.ResponseWriter, status int, doc *protocol.Document) {
	body := append([]byte(nil), `{"doc":`...)
	if doc == nil {
		body = append(body, "null"...)
	} else {
		w.Header().Set("ETag", `"`+doc.Rev+`"`)
		body = protocol.AppendDocument(body, doc, c.rev)
	}
	answerJSON(w, status, append(body, "}\n"...))
}

func answerJSON(w http.ResponseWriter, status int, body []byte) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(body) // whoever has gone does not miss it
}

// patiently repeats what fails for a passing reason, for as long as a request may take: today's clients show any
// error as an empty list.
func patiently(ctx context.Context, try func(ctx context.Context) *protocol.Error) *protocol.Error {
	ctx, cancel := context.WithTimeout(ctx, requestTime)
	defer cancel()
	var away *protocol.Error
	for wait := 50 * time.Millisecond; ; wait = min(2*wait, time.Second) {
		err := try(ctx)
		if err == nil || err.Code != protocol.CodeUnavailable {
			if away != nil && err != nil && err.Code == protocol.CodeTimeout {
				return away // the time ran out because the database was away
			}
			return err
		}
		away = err
		if !pause(ctx, wait) {
			return err
		}
	}
}
