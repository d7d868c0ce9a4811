package protocol

import "strconv"

// appendField appends a comma (unless the object is still empty), a name and a colon.
func appendField(dst []byte, name string) []byte {
	if dst[len(dst)-1] != '{' {
		dst = append(dst, ',')
	}
	dst = append(dst, '"')
	dst = append(dst, name...)
	return append(dst, '"', ':')
}

func appendStringField(dst []byte, name, value string) []byte {
	return AppendString(appendField(dst, name), value)
}

// appendText appends a field unless it is empty.
func appendText(dst []byte, name, value string) []byte {
	if value == "" {
		return dst
	}
	return appendStringField(dst, name, value)
}

func appendRaw(dst []byte, name string, value []byte) []byte {
	if value == nil {
		return dst
	}
	return append(appendField(dst, name), value...)
}

func appendBool(dst []byte, name string, value bool) []byte {
	return strconv.AppendBool(appendField(dst, name), value)
}

// Append appends the request as a frame: the inverse of [DecodeRequest], for clients in Go.
func (r *Request) Append(dst []byte) []byte {
	dst = append(dst, '{')
	dst = appendStringField(dst, "type", string(r.Type))
	dst = appendText(dst, "requestId", r.RequestID)
	return append(r.appendFields(dst), '}')
}

func (r *Request) appendFields(dst []byte) []byte {
	dst = appendText(dst, "collection", r.Collection)
	dst = appendText(dst, "docId", r.DocID)
	dst = appendRaw(dst, "data", r.Data)
	dst = appendRaw(dst, "filter", r.Filter)
	dst = appendText(dst, "ifRev", r.IfRev)
	dst = appendText(dst, "after", r.After)
	dst = appendText(dst, "cursor", r.Cursor)
	dst = appendText(dst, "mutationId", r.MutationID)
	dst = appendText(dst, "token", r.Token)
	dst = appendText(dst, "agentId", r.AgentID)
	dst = appendText(dst, "prompt", r.Prompt)
	dst = appendText(dst, "runId", r.RunID)
	if r.Paths {
		dst = appendBool(dst, "paths", true)
	}
	if r.Limit > 0 {
		dst = strconv.AppendInt(appendField(dst, "limit"), int64(r.Limit), 10)
	}
	return r.appendOperations(r.appendQuery(dst))
}

// appendQuery appends what only a query has.
func (r *Request) appendQuery(dst []byte) []byte {
	dst = appendRaw(dst, "where", r.Where)
	dst = appendNames(dst, "order", r.Order)
	dst = appendNames(dst, "fields", r.Fields)
	if r.Count {
		dst = appendBool(dst, "count", true)
	}
	return dst
}

func appendNames(dst []byte, field string, names []string) []byte {
	if names == nil {
		return dst
	}
	dst = append(appendField(dst, field), '[')
	for i, name := range names {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = AppendString(dst, name)
	}
	return append(dst, ']')
}

func (r *Request) appendOperations(dst []byte) []byte {
	if r.Operations == nil {
		return dst
	}
	dst = append(appendField(dst, "operations"), '[')
	for i := range r.Operations {
		if i > 0 {
			dst = append(dst, ',')
		}
		op := &r.Operations[i]
		dst = append(dst, '{')
		dst = appendStringField(dst, "operation", string(op.Type[len("second:data:"):]))
		dst = append(op.appendFields(dst), '}')
	}
	return append(dst, ']')
}

func messageOf(err error) string {
	if e, ok := err.(*Error); ok {
		return e.Message
	}
	return "it failed"
}
