package protocol

import "slices"

// The messages of the event stream (SSE). JSON escapes CR and LF, the only ends of a line there, so
// that each is one line whatever the document holds.

// AppendEvent appends a change as the event stream tells it: an insert has no docId, a delete no
// doc. With rev the document carries _rev.
func AppendEvent(dst []byte, collection, operation, docID string, doc *Document, rev bool) []byte {
	dst = append(dst, `data: {`...)
	dst = appendStringField(dst, "type", operation)
	dst = appendStringField(dst, "collection", collection)
	if operation != "insert" {
		dst = appendStringField(dst, "docId", docID)
	}
	if doc != nil {
		dst = AppendDocument(appendField(dst, "doc"), doc, rev)
	}
	return append(dst, "}\n\n"...)
}

// AppendState appends a document as an insert and as an update: a client may ignore the one or the
// other, depending on what it has. One that is gone is appended as a delete.
func AppendState(dst []byte, collection, id string, doc *Document, rev bool) []byte {
	if doc == nil {
		return AppendEvent(dst, collection, "delete", id, nil, rev)
	}
	dst = AppendEvent(dst, collection, "insert", id, doc, rev)
	return AppendEvent(dst, collection, "update", id, doc, rev)
}

// AppendDocument appends a document with its _rev or without.
func AppendDocument(dst []byte, doc *Document, rev bool) []byte {
	dst = slices.Grow(dst, doc.size())
	if rev {
		return doc.Append(dst)
	}
	return doc.AppendPlain(dst)
}

// AppendEventID appends a cursor, which a client sends back as Last-Event-ID.
func AppendEventID(dst []byte, cursor string) []byte {
	return append(append(append(dst, "id: "...), cursor...), "\n\n"...)
}

// ResetEventID is the id from a reset on until the documents have all come again: whoever sends it
// back is reset again.
const ResetEventID = "reset"

// AppendEventReset appends the event that voids every copy.
func AppendEventReset(dst []byte, reason string) []byte {
	dst = append(dst, "event: reset\nid: "+ResetEventID+"\ndata: {"...)
	return append(appendStringField(dst, "reason", reason), "}\n\n"...)
}

// AppendEventUnauthorized appends the event that a stream ends with once its client may not follow any more.
func AppendEventUnauthorized(dst []byte, e *Error) []byte {
	dst = append(dst, "event: unauthorized\ndata: {"...)
	dst = appendStringField(dst, "error", string(e.Code))
	return append(appendStringField(dst, "message", e.Message), "}\n\n"...)
}
