package rest

import (
	"context"
	"net/http"
	"net/url"
	"strconv"

	"github.com/secondgate/secondgate/gateway/store"
	"github.com/secondgate/secondgate/protocol"
)

// isQuery reports whether a list's URL asks for more than a list.
func isQuery(query url.Values) bool {
	return query.Has("where") || query.Has("order") || query.Has("fields") || query.Has("count")
}

// listMatching is GET …/data?collection=c&where=…, and order=, fields=, count=1, limit=, after=.
func (h handler) listMatching(c *call, w http.ResponseWriter, r *http.Request) *protocol.Error {
	var request protocol.Request
	var malformed error
	refused := h.env.Parse(r.Context(), []byte(c.query.Get("where")), func([]byte) {
		request, malformed = protocol.DecodeQuery(c.query)
	})
	if malformed != nil {
		return store.ClientError(malformed)
	}
	if refused == nil {
		refused = h.grow(c, min(store.QueryBytes, h.env.Memory.Size()/4))
	}
	var a protocol.Answer
	if refused == nil {
		refused = retryUnavailable(r.Context(), func(ctx context.Context) *protocol.Error {
			a, _ = h.env.Store.Query(ctx, c.principal, c.scope, &request, store.Read{})
			return a.Err
		})
	}
	if refused != nil {
		return refused
	}
	h.answerJSON(c, w, http.StatusOK, queryBody(&a, c.rev))
	return nil
}

func queryBody(a *protocol.Answer, rev bool) []byte {
	body := []byte(`{"docs":[`)
	for i := range a.Docs {
		if i > 0 {
			body = append(body, ',')
		}
		body = protocol.AppendDocument(body, &a.Docs[i], rev)
	}
	body = append(body, ']')
	if a.Next != "" {
		body = protocol.AppendString(append(body, `,"next":`...), a.Next)
	}
	if a.Request.Count {
		body = strconv.AppendInt(append(body, `,"count":`...), int64(a.Count), 10)
	}
	return append(body, "}\n"...)
}
