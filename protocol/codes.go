package protocol

import (
	"errors"
	"fmt"
	"time"
)

// Code names a kind of failure. Clients act on codes, people read messages.
type Code string

// The codes of protocol version 1.
const (
	CodeInvalidMessage    Code = "invalid_message"
	CodeInvalidJSON       Code = "invalid_json"
	CodeInvalidDocument   Code = "invalid_document"
	CodeInvalidID         Code = "invalid_id"
	CodeInvalidCursor     Code = "invalid_cursor"
	CodeInvalidFilter     Code = "invalid_filter"
	CodeInvalidAgentsJSON Code = "invalid_agents_json"
	CodeNoAgentsDefined   Code = "no_agents_defined"
	CodeUnknownType       Code = "unknown_type"
	CodeUnauthorized      Code = "unauthorized"
	CodeForbidden         Code = "forbidden"
	CodeAuditForbidden    Code = "audit_logs_forbidden"
	CodeIdentityRequired  Code = "identity_required"
	CodeWorkspaceRequired Code = "workspace_required"
	CodeNotFound          Code = "not_found"
	CodeAppNotFound       Code = "app_not_found"
	CodeAgentNotFound     Code = "agent_not_found"
	CodeRunNotFound       Code = "run_not_found"
	CodeAlreadyExists     Code = "already_exists"
	CodeConflict          Code = "conflict"
	CodeMutationMismatch  Code = "mutation_mismatch"
	CodeTooLarge          Code = "too_large"
	CodeListTooLarge      Code = "list_too_large"
	CodeQuotaExceeded     Code = "quota_exceeded"
	CodeRateLimited       Code = "rate_limited"
	CodeCursorExpired     Code = "cursor_expired"
	CodeTimeout           Code = "timeout"
	CodeFailedToStart     Code = "failed_to_start_agent"
	CodeUnavailable       Code = "unavailable"
	CodeInternal          Code = "internal"
)

// CodeInfo says what a code means on each transport.
type CodeInfo struct {
	Code Code `json:"code"`
	// HTTP is the status of a REST answer (RFC 9110).
	HTTP int `json:"http"`
	// Close is the WebSocket close code where the failure ends a connection (RFC 6455 §7.4).
	Close int `json:"close"`
	// Retryable: the same request may succeed later, unchanged.
	Retryable bool   `json:"retryable"`
	Says      string `json:"says"`
}

// Codes is the one table of failures; protocol/testdata/codes.json is its copy for other languages.
var Codes = []CodeInfo{
	{CodeInvalidMessage, 400, 1008, false, "the request's shape is wrong: a missing, unknown or mistyped field"},
	{CodeInvalidJSON, 400, 1007, false, "the text is no JSON"},
	{
		CodeInvalidDocument, 422, 1008, false,
		"the document breaks a rule of the JSON that is kept (I-JSON, depth 64)",
	},
	{CodeInvalidID, 400, 1008, false, "an id or a collection name is outside the grammar"},
	{CodeInvalidCursor, 400, 1008, false, "a page position was not made by this gateway"},
	{CodeInvalidFilter, 422, 1008, false, "an upsert's filter is not equality of plain values"},
	{CodeInvalidAgentsJSON, 400, 1008, false, "the text is no agents.json: it says what is wrong"},
	{CodeNoAgentsDefined, 400, 1008, false, "the app has no agents.json, or none that was published"},
	{CodeUnknownType, 400, 1008, false, "the gateway knows no request of that type"},
	{CodeUnauthorized, 401, 4401, false, "the credentials are missing, wrong or expired"},
	{CodeForbidden, 403, 4403, false, "the role does not allow it"},
	{CodeAuditForbidden, 403, 4403, false, "the audit log is for owners and admins of the workspace"},
	{CodeIdentityRequired, 401, 4401, false, "the request carries no identity"},
	{CodeWorkspaceRequired, 403, 4403, false, "the identity has no workspace"},
	{CodeNotFound, 404, 4404, false, "there is no such document"},
	{CodeAppNotFound, 404, 4404, false, "there is no such app, or not for this identity"},
	{CodeAgentNotFound, 404, 4404, false, "agents.json has no agent of that id"},
	{CodeRunNotFound, 404, 4404, false, "there is no such run of an agent, or not for this identity"},
	{CodeAlreadyExists, 409, 1008, false, "the id is taken"},
	{CodeConflict, 412, 1008, false, "the document has changed since the revision that ifRev names"},
	{CodeMutationMismatch, 422, 1008, false, "the mutationId was used for another request"},
	{CodeTooLarge, 413, 1009, false, "a message or document is over its size limit"},
	{CodeListTooLarge, 413, 1009, false, "the list is over its size limit: page it"},
	{CodeQuotaExceeded, 403, 1008, false, "the app has as many documents or bytes as it may: delete some"},
	{CodeRateLimited, 429, 1013, true, "too many requests: slow down"},
	{CodeCursorExpired, 410, 1008, false, "the cursor cannot be resumed: list again"},
	{CodeTimeout, 504, 1013, true, "the request ran out of time; a write may or may not have happened"},
	{CodeFailedToStart, 502, 1011, false, "the worker did not take the run, which has failed"},
	{CodeUnavailable, 503, 1013, true, "the gateway or its database is away for the moment"},
	{CodeInternal, 500, 1011, false, "the gateway failed; its log says how"},
}

var codeInfo = func() map[Code]CodeInfo {
	m := make(map[Code]CodeInfo, len(Codes))
	for _, c := range Codes {
		m[c.Code] = c
	}
	return m
}()

// Info is the code's row of [Codes]; an unknown code is treated as internal.
func (c Code) Info() CodeInfo {
	if info, ok := codeInfo[c]; ok {
		return info
	}
	return codeInfo[CodeInternal]
}

// Error is a failure as clients see it: a code and a sentence that says what to do. It never
// carries internals; those go to the log.
type Error struct {
	Code    Code
	Message string
	// RetryAfter is when the same request may succeed; 0: unknown. HTTP answers and event streams tell
	// it, sockets do not.
	RetryAfter time.Duration
}

func (e *Error) Error() string { return string(e.Code) + ": " + e.Message }

// Is makes errors.Is(err, &Error{Code: c}) act on the code alone.
func (e *Error) Is(target error) bool {
	other, ok := target.(*Error)
	return ok && other.Code == e.Code
}

// Errorf makes an Error.
func Errorf(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// CodeOf is the code of err: that of an [Error] in its chain, internal for any other, "" for nil.
func CodeOf(err error) Code {
	if err == nil {
		return ""
	}
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return CodeInternal
}
