package protocol

import (
	"encoding/json"
	"slices"
	"strconv"
	"time"
)

// The messages that the gateway sends by itself.
const (
	TypeWelcome  Type = "second:data:welcome"
	TypeChange   Type = "second:data:change"
	TypeBookmark Type = "second:data:bookmark"
	TypeSettled  Type = "second:data:settled"
	TypeReset    Type = "second:data:reset"
	TypeGoAway   Type = "second:data:goaway"
	TypeError    Type = "second:data:error"
	// Where welcome has the feature agents:
	TypeAgentUpdate Type = "second:agent:update"
)

// TypeAgentTriggered is the answer to [TypeAgentTrigger], under the name that apps listen to.
const TypeAgentTriggered Type = "second:agent:triggered"

// The reasons of a reset, as clients read them.
const (
	ResetExpired = "cursor_expired"   // the cursor cannot be resumed
	ResetTooMuch = "too_many_changes" // listing again costs less than the changes would
	ResetLost    = "changes_lost"     // the database does not know the changes any more
)

// Subprotocol is the WebSocket subprotocol of version 1.
const Subprotocol = "second.data.v1"

// Welcome is the first message of a connection.
type Welcome struct {
	ConnectionID string
	Resumed      bool
	HeartbeatMS  int
	Limits       Limits
	Features     []string
	// Identity is whose connection it is; nil where nobody is asked.
	Identity *Identity
}

// Identity is a user and what the user may do in the connection's scope.
type Identity struct {
	UserID, UserName string // a name may be empty
	Role             string
	Rights           []string
	ExpiresAt        time.Time // of the credential; zero: never
}

func (i *Identity) append(dst []byte) []byte {
	dst = append(appendField(dst, "user"), '{')
	dst = appendText(appendStringField(dst, "id", i.UserID), "name", i.UserName)
	dst = appendStringField(append(dst, '}'), "role", i.Role)
	rights, _ := json.Marshal(i.Rights)
	return appendExpiry(appendRaw(dst, "rights", rights), i.ExpiresAt)
}

// appendExpiry appends the time that a credential expires at, unless it never does.
func appendExpiry(dst []byte, at time.Time) []byte {
	if at.IsZero() {
		return dst
	}
	return appendStringField(dst, "expiresAt", string(AppendTime(nil, at)))
}

// Append appends the message.
func (w *Welcome) Append(dst []byte) []byte {
	dst = open(dst, TypeWelcome)
	dst = appendStringField(dst, "connectionId", w.ConnectionID)
	dst = appendBool(dst, "resumed", w.Resumed)
	dst = strconv.AppendInt(appendField(dst, "heartbeatMs"), int64(w.HeartbeatMS), 10)
	limits, _ := json.Marshal(w.Limits) // four integers: cannot fail
	dst = appendRaw(dst, "limits", limits)
	features, _ := json.Marshal(append([]string{}, w.Features...))
	dst = appendRaw(dst, "features", features)
	if w.Identity != nil {
		dst = w.Identity.append(dst)
	}
	return append(dst, '}')
}

// AppendChange appends second:data:change; doc is nil for a delete.
func AppendChange(dst []byte, collection, operation, docID string, doc *Document) []byte {
	if doc != nil {
		dst = slices.Grow(dst, 100+len(collection)+len(docID)+doc.size())
	}
	dst = open(dst, TypeChange)
	dst = appendStringField(dst, "collection", collection)
	dst = appendStringField(dst, "operation", operation)
	dst = appendStringField(dst, "docId", docID)
	if doc != nil {
		dst = doc.Append(appendField(dst, "doc"))
	}
	return append(dst, '}')
}

// Author is who made a change, as clients that ask for it are told. ID and Run may be empty.
type Author struct {
	Kind string `json:"kind"`
	ID   string `json:"id"`
	Run  string `json:"run"`
}

// AppendAuthor appends a message of AppendChange, with its author.
func AppendAuthor(dst, change []byte, by Author) []byte {
	dst = slices.Grow(dst, len(change)+50+len(by.Kind)+len(by.ID)+len(by.Run))
	dst = append(dst, change[:len(change)-1]...)
	dst = append(appendField(dst, "by"), '{')
	dst = appendText(appendText(appendStringField(dst, "kind", by.Kind), "id", by.ID), "run", by.Run)
	return append(dst, "}}"...)
}

// AppendBookmark appends second:data:bookmark.
func AppendBookmark(dst []byte, cursor string) []byte {
	return append(appendStringField(open(dst, TypeBookmark), "cursor", cursor), '}')
}

// AppendSettled appends second:data:settled.
func AppendSettled(dst []byte, requestID string) []byte {
	return append(appendStringField(open(dst, TypeSettled), "requestId", requestID), '}')
}

// AppendReset appends second:data:reset. Without collections it voids every copy.
func AppendReset(dst []byte, reason string, spreadMS int) []byte {
	dst = appendStringField(open(dst, TypeReset), "reason", reason)
	dst = strconv.AppendInt(appendField(dst, "spreadMs"), int64(spreadMS), 10)
	return append(dst, '}')
}

// AppendGoAway appends second:data:goaway.
func AppendGoAway(dst []byte, retryAfterMS int) []byte {
	dst = strconv.AppendInt(appendField(open(dst, TypeGoAway), "retryAfterMs"), int64(retryAfterMS), 10)
	return append(dst, '}')
}

// AppendFrameError appends second:data:error, for a frame that cannot be answered in an answer of
// its own. It carries the frame's requestId where that could be read.
func AppendFrameError(dst []byte, requestID string, e *Error) []byte {
	return append(appendError(appendText(open(dst, TypeError), "requestId", requestID), e), '}')
}

// AppendAgentUpdate appends second:agent:update: a run has ended. reason is empty unless it failed.
func AppendAgentUpdate(dst []byte, agentID, runID, status, reason string) []byte {
	dst = appendStringField(open(dst, TypeAgentUpdate), "agentId", agentID)
	dst = appendStringField(appendStringField(dst, "runId", runID), "status", status)
	return append(appendText(dst, "error", reason), '}')
}

// Agent is an agent as second:agents:list names it.
type Agent struct {
	ID          string `json:"id"`
	Name        string `json:"name"`
	Description string `json:"description"`
}

// Answer is the answer to one request. Only the fields of its type are sent.
type Answer struct {
	// Request is what is answered.
	Request *Request
	Docs    []Document
	Next    string
	Doc     *Document
	DocID   string
	Created bool
	// Resumed is for subscribe.
	Resumed bool
	// Replayed marks the answer to a retry of a remembered mutation.
	Replayed bool
	// ExpiresAt is for refresh: the new credential's end; zero: never.
	ExpiresAt time.Time
	// Count is how many documents a query matches, if it asks.
	Count int
	// Agents are those of the app; RunID and Status are of a run.
	Agents        []Agent
	RunID, Status string
	// Results are a batch's, one Answer per operation.
	Results []Answer
	Err     *Error
}

// Append appends the message. An answer with Err has an empty payload.
func (a *Answer) Append(dst []byte) []byte {
	dst = slices.Grow(dst, a.size())
	dst = append(dst, '{')
	dst = appendStringField(dst, "type", string(a.Request.Type.Response()))
	dst = appendText(dst, "requestId", a.Request.RequestID)
	dst = a.appendPayload(dst)
	if a.Replayed {
		dst = appendBool(dst, "replayed", true)
	}
	if a.Err != nil {
		dst = appendError(dst, a.Err)
	}
	return append(dst, '}')
}

// Response is the type of the answer to a request of this type.
func (t Type) Response() Type {
	if t == TypeAgentTrigger {
		return TypeAgentTriggered
	}
	return t + ResponseSuffix
}

// size is about how long the message will be, so that it is allocated once.
func (a *Answer) size() int {
	n := 200 + len(a.Request.Collection)
	if a.Doc != nil {
		n += a.Doc.size()
	}
	for i := range a.Docs {
		n += a.Docs[i].size()
	}
	for i := range a.Results {
		n += a.Results[i].size()
	}
	return n
}

func (a *Answer) appendPayload(dst []byte) []byte {
	dst = appendText(dst, "collection", a.Request.Collection)
	switch a.Request.Type {
	case TypeList:
		dst = appendText(appendDocs(dst, a.Docs), "next", a.Next)
	case TypeQuery:
		dst = appendText(appendDocs(dst, a.Docs), "next", a.Next)
		if a.Request.Count && a.Err == nil {
			dst = strconv.AppendInt(appendField(dst, "count"), int64(a.Count), 10)
		}
	case TypeSubscribe:
		dst = appendBool(dst, "resumed", a.Resumed)
		dst = appendText(appendDocs(dst, a.Docs), "next", a.Next)
	case TypeDoc, TypeInsert:
		dst = appendDoc(dst, a.Doc)
	case TypeUpdate:
		dst = appendDoc(appendText(dst, "docId", a.DocID), a.Doc)
	case TypeDelete:
		dst = appendText(dst, "docId", a.DocID)
	case TypeUpsert:
		dst = appendDoc(appendText(dst, "docId", a.DocID), a.Doc)
		if a.Err == nil {
			dst = appendBool(dst, "created", a.Created)
		}
	case TypeAuthRefresh:
		dst = appendExpiry(dst, a.ExpiresAt)
	case TypeAgents:
		agents, _ := json.Marshal(append([]Agent{}, a.Agents...)) // texts: cannot fail
		dst = appendRaw(dst, "agents", agents)
	case TypeAgentTrigger, TypeAgentFollow:
		dst = appendText(appendText(dst, "runId", a.RunID), "status", a.Status)
	case TypeBatch:
		dst = a.appendResults(dst)
	}
	return dst
}

// appendResults: a result is what its operation alone would have been answered, less type and
// requestId.
func (a *Answer) appendResults(dst []byte) []byte {
	dst = append(appendField(dst, "results"), '[')
	for i := range a.Results {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(a.Results[i].appendPayload(append(dst, '{')), '}')
	}
	return append(dst, ']')
}

func appendDocs(dst []byte, docs []Document) []byte {
	dst = append(appendField(dst, "docs"), '[')
	for i := range docs {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = docs[i].Append(dst)
	}
	return append(dst, ']')
}

func appendDoc(dst []byte, doc *Document) []byte {
	dst = appendField(dst, "doc")
	if doc == nil {
		return append(dst, "null"...)
	}
	return doc.Append(dst)
}

func appendError(dst []byte, e *Error) []byte {
	dst = append(appendField(dst, "error"), '{')
	dst = appendStringField(dst, "code", string(e.Code))
	dst = appendStringField(dst, "message", e.Message)
	dst = appendBool(dst, "retryable", e.Code.Info().Retryable)
	return append(dst, '}')
}

func open(dst []byte, t Type) []byte {
	return appendStringField(append(dst, '{'), "type", string(t))
}

// AppendFrame joins messages into one frame: a single one as it is, several as an array.
func AppendFrame(dst []byte, messages ...[]byte) []byte {
	if len(messages) == 1 {
		return append(dst, messages[0]...)
	}
	for i, m := range messages {
		dst = append(dst, "[,"[min(i, 1)])
		dst = append(dst, m...)
	}
	return append(dst, ']')
}
