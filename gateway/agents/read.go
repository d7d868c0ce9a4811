package agents

import (
	"context"
	"net/http"

	"github.com/secondgate/secondgate/gateway/access"
	"github.com/secondgate/secondgate/gateway/store"
	"github.com/secondgate/secondgate/protocol"
)

const (
	// fewBytes is what a list may have without being asked for room first.
	fewBytes = 256 << 10
	// maxList bounds a list, in bytes of its documents. Workers ignore that there is more, so it is
	// never cut.
	maxList = 16 << 20
)

// read is POST /api/internal/app-data-read: one document, or all of a collection.
func (d *Door) read(ctx context.Context, c *call) *answer {
	if c.WorkspaceID == "" || c.AppID == "" || c.AgentID == "" || c.Collection == "" {
		return failed(http.StatusBadRequest, "workspaceId, appId, agentId, and collection are required",
			protocol.CodeInvalidMessage)
	}
	if refused := d.identify(ctx, c, access.OpRead); refused != nil {
		return refused
	}
	if c.DocID != "" {
		return d.readDoc(ctx, c)
	}
	return d.readAll(ctx, c)
}

func (d *Door) readDoc(ctx context.Context, c *call) *answer {
	r := &protocol.Request{Type: protocol.TypeDoc, Collection: c.Collection, DocID: c.DocID}
	var a protocol.Answer
	refused := d.take(ctx, c, fewBytes)
	if refused == nil {
		refused = unavailable(ctx, func(ctx context.Context) *protocol.Error {
			a, _ = d.Env.Store.Doc(ctx, c.principal, c.scope, r, store.Read{})
			return a.Err
		})
	}
	switch {
	case refused != nil:
		return refuse(refused)
	case a.Doc == nil:
		// With doc alone, today's worker would hand its agent a block of text without a text.
		return &answer{status: http.StatusOK, body: []byte(`{"success":true,"doc":null,"docs":[]}`)}
	}
	return &answer{status: http.StatusOK, body: append(a.Doc.AppendBare([]byte(`{"success":true,"doc":`)), '}')}
}

// readAll reads a collection from one snapshot: first as far as little room goes, then again, up to the
// limit.
func (d *Door) readAll(ctx context.Context, c *call) *answer {
	for _, most := range []int{fewBytes, maxList} {
		refused := d.take(ctx, c, 2*most) // the documents, and their text
		var a protocol.Answer
		if refused == nil {
			r := &protocol.Request{Type: protocol.TypeList, Collection: c.Collection}
			refused = unavailable(ctx, func(ctx context.Context) *protocol.Error {
				a, _ = d.Env.Store.List(ctx, c.principal, c.scope, r, store.Read{MaxBytes: most})
				return a.Err
			})
		}
		if refused != nil {
			return refuse(refused)
		}
		if a.Next == "" {
			return &answer{status: http.StatusOK, body: listBody(a.Docs)}
		}
	}
	return refuse(protocol.Errorf(protocol.CodeListTooLarge,
		"the collection is over %d bytes, which one answer cannot have: read its documents by docId", maxList))
}

func listBody(docs []protocol.Document) []byte {
	body := []byte(`{"success":true,"docs":[`)
	for i := range docs {
		if i > 0 {
			body = append(body, ',')
		}
		body = docs[i].AppendBare(body)
	}
	return append(body, "]}"...)
}
