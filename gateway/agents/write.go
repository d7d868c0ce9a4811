package agents

import (
	"context"
	"crypto/rand"
	"net/http"

	"github.com/secondgate/secondgate/gateway/access"
	"github.com/secondgate/secondgate/protocol"
)

// write is POST /api/internal/app-data-write.
func (d *Door) write(ctx context.Context, c *call) *answer {
	if c.WorkspaceID == "" || c.AppID == "" || c.AgentID == "" || c.Collection == "" || c.Operation == "" {
		return sentence(
			http.StatusBadRequest, "workspaceId, appId, agentId, collection, and operation are required",
		)
	}
	if refused := d.identify(ctx, c, c.uses()); refused != nil {
		return refused
	}
	request, refused := c.request()
	if refused != nil {
		return refused
	}
	var a protocol.Answer
	e := unavailable(ctx, func(ctx context.Context) *protocol.Error {
		a = d.Env.Store.Write(ctx, c.principal, c.scope, []*protocol.Request{request})[0].Answer
		return a.Err
	})
	switch {
	case e == nil:
	case e.Code == protocol.CodeNotFound && request.Type == protocol.TypeDelete:
		return &answer{status: http.StatusOK, body: []byte(`{"success":false}`)}
	case e.Code == protocol.CodeNotFound && request.Type == protocol.TypeUpdate:
		return failed(http.StatusNotFound, "Document not found", protocol.CodeNotFound)
	default:
		return refuse(e)
	}
	if request.Type == protocol.TypeDelete {
		return &answer{status: http.StatusOK, body: []byte(`{"success":true}`), changeSet: c.principal.ChangeSet}
	}
	body := append(appendDoc([]byte(`{"success":true,"doc":`), a.Doc), '}')
	return &answer{status: http.StatusOK, body: body, changeSet: c.principal.ChangeSet}
}

// uses is the operation that the call asks for, none if there is no such.
func (c *call) uses() access.Operation {
	op := access.Operation(c.Operation)
	if !access.AllOperations.Has(op) || op == access.OpRead {
		return ""
	}
	return op
}

// appendDoc appends null where the document of a write that was made before is gone, or may not be
// read.
func appendDoc(dst []byte, doc *protocol.Document) []byte {
	if doc == nil {
		return append(dst, "null"...)
	}
	return doc.AppendBare(dst)
}

// request is the call as the store takes it. A passing fault may leave it unknown whether a write
// happened, so each has a mutation id: trying again has one effect.
func (c *call) request() (*protocol.Request, *answer) {
	r := &protocol.Request{Collection: c.Collection, MutationID: c.MutationID}
	if r.MutationID == "" {
		r.MutationID = "agent-" + rand.Text()
	}
	switch c.Operation {
	case "insert":
		if c.Data == nil {
			return nil, sentence(http.StatusBadRequest, "data is required for insert")
		}
		r.Type = protocol.TypeInsert
	case "update":
		if r.DocID = c.FilterID(); r.DocID == "" || c.Data == nil {
			return nil, sentence(http.StatusBadRequest, "filter._id and data are required for update")
		}
		r.Type, r.Paths = protocol.TypeUpdate, true
	case "upsert":
		if c.Filter == nil || c.Data == nil {
			return nil, sentence(http.StatusBadRequest, "filter and data are required for upsert")
		}
		if refused := c.checkFilter(); refused != nil {
			return nil, refused
		}
		r.Type, r.Filter, r.Paths = protocol.TypeUpsert, c.Filter, true
	case "delete":
		if r.DocID = c.FilterID(); r.DocID == "" {
			return nil, sentence(http.StatusBadRequest, "filter._id is required for delete")
		}
		r.Type = protocol.TypeDelete
		return r, nil
	default:
		return nil, sentence(http.StatusBadRequest, "Unknown operation: "+c.Operation)
	}
	if c.Data[0] != '{' {
		return nil, failed(http.StatusUnprocessableEntity, "data must be an object", protocol.CodeInvalidDocument)
	}
	r.Data = c.Data
	return r, nil
}

// checkFilter refuses what would match any document of the collection.
func (c *call) checkFilter() *answer {
	bad := ""
	switch _, named := protocol.Member(c.Filter, "_id"); {
	case c.Filter[0] != '{':
		bad = "filter must be an object of the fields that identify the document"
	case len(c.Filter) == 2:
		bad = "filter is empty: name the fields that identify the document"
	case named && c.FilterID() == "":
		bad = "filter._id is empty: leave it out, or name a document"
	default:
		return nil
	}
	e := protocol.Errorf(protocol.CodeInvalidFilter, "%s", bad)
	return refuse(e)
}
