package wire

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"

	"github.com/secondgate/secondgate/conformance/client"
	"github.com/secondgate/secondgate/protocol"
)

// Door carries requests by one transport and tells their answers in one shape, so that one rule's
// text holds for every transport. An answer that breaks the transport's own promises fails the
// rule.
type Door interface {
	// Call makes the request: a read or a write of one document, or a list.
	Call(q protocol.Request) protocol.Received
}

// socketDoor is a WebSocket that follows nothing.
type socketDoor struct{ *peer }

func (d socketDoor) Call(q protocol.Request) protocol.Received { return d.call(q) }

// restDoor is REST. Documents are asked for with their revision.
type restDoor struct {
	r     *trial
	scope protocol.Scope
}

func (d restDoor) Call(q protocol.Request) protocol.Received {
	var headers []string
	if q.IfRev != "" {
		headers = append(headers, `If-Match: "`+q.IfRev+`"`)
	}
	if q.MutationID != "" {
		headers = append(headers, "Idempotency-Key: "+q.MutationID)
	}
	switch q.Type {
	case protocol.TypeInsert:
		return d.read(q, http.StatusCreated, d.r.rest("POST", d.url("", "rev", "1"), client.Body(q), headers...))
	case protocol.TypeUpdate:
		return d.read(q, http.StatusOK, d.r.rest("PATCH", d.url(q.DocID, "rev", "1"), client.Body(q), headers...))
	case protocol.TypeDelete:
		return d.read(
			q, http.StatusOK, d.r.rest("DELETE", d.url(q.DocID, "collection", q.Collection), "", headers...),
		)
	case protocol.TypeDoc:
		return d.read(q, http.StatusOK, d.r.rest("GET", d.url(q.DocID, "collection", q.Collection, "rev", "1"), ""))
	case protocol.TypeList:
		parameters := []string{"collection", q.Collection, "rev", "1"}
		if q.Limit > 0 {
			parameters = append(parameters, "limit", strconv.Itoa(q.Limit))
		}
		if q.After != "" {
			parameters = append(parameters, "after", q.After)
		}
		answer := d.r.rest("GET", d.url("", parameters...), "")
		d.r.must(answer.Status >= 400 || answer.Header.Get("Second-Cursor") != "", "a list has no Second-Cursor")
		return d.read(q, http.StatusOK, answer)
	}
	d.r.Fatalf("REST has no %s", q.Type)
	return protocol.Received{}
}

func (d restDoor) url(docID string, parameters ...string) string {
	return client.DataURL(d.r.target.URL, d.scope, docID, parameters...)
}

// read turns an answer into the socket's shape. What is not there is an error here, and no document
// there.
func (d restDoor) read(q protocol.Request, success int, a client.Reply) (m protocol.Received) {
	what := fmt.Sprintf("%s %s", q.Type, q.DocID)
	d.r.want("Content-Type of "+what, a.Header.Get("Content-Type"), "application/json")
	d.r.want("Cache-Control of "+what, a.Header.Get("Cache-Control"), "no-store")
	if a.Status >= 400 {
		return d.refused(q, what, a)
	}
	d.r.want("status of "+what, a.Status, success)
	d.r.must(json.Unmarshal([]byte(a.Body), &m) == nil, "%s: got %s want JSON", what, show(a.Body))
	m.Type, m.Collection = q.Type+protocol.ResponseSuffix, q.Collection
	if m.DocID = q.DocID; m.Doc != nil && string(m.Doc) != "null" {
		m.DocID = idOf(m.Doc)
		d.r.want("ETag of "+what, a.Header.Get("ETag"), `"`+rev(m.Doc)+`"`)
	}
	return m
}

func (d restDoor) refused(q protocol.Request, what string, a client.Reply) (m protocol.Received) {
	var body struct {
		Error   protocol.Code
		Message string
	}
	d.r.must(
		json.Unmarshal([]byte(a.Body), &body) == nil && body.Message != "",
		"%s: got %s want an error and a message", what, show(a.Body),
	)
	d.r.want("status of "+what+" for "+string(body.Error), a.Status, body.Error.Info().HTTP)
	if q.Type == protocol.TypeDoc && body.Error == protocol.CodeNotFound {
		m.Doc = []byte("null")
		return m
	}
	m.Error = &protocol.ReceivedError{
		Code: body.Error, Message: body.Message, Retryable: body.Error.Info().Retryable,
	}
	return m
}
