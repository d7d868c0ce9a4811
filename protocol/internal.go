package protocol

import "strconv"

// InternalCall is the body of POST /api/internal/app-data-write and -read. A field that is missing, or
// that JavaScript takes for false, is empty.
type InternalCall struct {
	WorkspaceID, AppID, SourceVersion, AgentID string
	Collection, Operation, DocID               string
	MutationID, RunID                          string
	// Filter and Data are canonical JSON of any kind; nil if there is nothing.
	Filter, Data []byte
}

// DecodeInternal reads a body. The rules of [Canonical] hold for the whole body. Unknown fields are
// ignored, as today's workers expect. It fails with invalid_json, and with invalid_message on a name that
// is no string.
func DecodeInternal(body []byte) (c InternalCall, err error) {
	text, err := canonicalValue(body, MaxDepth+1)
	if err != nil {
		return c, err
	}
	if text[0] != '{' {
		return c, Errorf(CodeInvalidMessage, "the body must be a JSON object")
	}
	texts := map[string]*string{
		"workspaceId": &c.WorkspaceID, "appId": &c.AppID, "agentId": &c.AgentID, "collection": &c.Collection,
		"operation": &c.Operation, "docId": &c.DocID, "mutationId": &c.MutationID,
		"runId": &c.RunID,
	}
	for name, value := range Members(text) {
		field := unquote(name)
		if falsy(value) {
			continue
		}
		switch to := texts[field]; {
		case to != nil && value[0] != '"':
			return c, Errorf(CodeInvalidMessage, "%s must be a string", field)
		case to != nil:
			*to = unquote(value)
			if err := CheckName(field, *to); err != nil {
				return c, err
			}
		case field == "sourceVersion" && value[0] == '"': // anything else means published
			c.SourceVersion = unquote(value)
		case field == "filter":
			c.Filter = value
		case field == "data":
			c.Data = value
		}
	}
	if len(c.MutationID) > MaxName {
		return c, Errorf(CodeInvalidMessage, "mutationId is longer than %d bytes", MaxName)
	}
	if c.RunID != "" && !validID(c.RunID) {
		return c, Errorf(CodeInvalidID, "runId must be 1 to %d characters of A-Z a-z 0-9 _ -", MaxName)
	}
	return c, nil
}

// falsy reports whether JavaScript takes a canonical value for false.
func falsy(value []byte) bool {
	switch string(value) {
	case "null", "false", "0", `""`:
		return true
	}
	return false
}

// FilterID is the document that filter names by _id, empty if it names none. A number counts as its text.
func (c *InternalCall) FilterID() string {
	if len(c.Filter) == 0 || c.Filter[0] != '{' {
		return ""
	}
	value, ok := Member(c.Filter, "_id")
	switch {
	case !ok || falsy(value):
		return ""
	case value[0] == '"':
		return unquote(value)
	}
	if _, err := strconv.ParseFloat(string(value), 64); err != nil {
		return ""
	}
	return string(value)
}
