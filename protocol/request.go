package protocol

import (
	"math"
	"strconv"
	"strings"
)

// Type names a message on the socket.
type Type string

// The requests of protocol version 1. The answer to each has the same name with [ResponseSuffix].
const (
	TypeList        Type = "second:data:list"
	TypeDoc         Type = "second:data:doc"
	TypeQuery       Type = "second:data:query"
	TypeInsert      Type = "second:data:insert"
	TypeUpdate      Type = "second:data:update"
	TypeDelete      Type = "second:data:delete"
	TypeUpsert      Type = "second:data:upsert"
	TypeBatch       Type = "second:data:batch"
	TypeSubscribe   Type = "second:data:subscribe"
	TypeUnsubscribe Type = "second:data:unsubscribe"
	TypePing        Type = "second:data:ping"
	TypeAuthRefresh Type = "second:auth:refresh"
	// Where welcome has the feature agents:
	TypeAgents       Type = "second:agents:list"
	TypeAgentTrigger Type = "second:agent:trigger"
	TypeAgentFollow  Type = "second:agent:follow"
)

// ResponseSuffix turns a request's type into its answer's.
const ResponseSuffix = "-response"

// Limits bounds what a request may hold. It is announced in welcome.
type Limits struct {
	// DocumentBytes bounds a stored document's canonical data.
	DocumentBytes int `json:"documentBytes"`
	// FrameBytes bounds one frame from a client.
	FrameBytes int `json:"frameBytes"`
	// Operations bounds a batch.
	Operations int `json:"operations"`
	// Requests bounds the requests of one connection that are not yet answered.
	Requests int `json:"requests"`
}

// DefaultLimits are the limits unless the operator sets others.
var DefaultLimits = Limits{DocumentBytes: 1 << 20, FrameBytes: 4 << 20, Operations: 1000, Requests: 64}

// Request is one request from a client. Data and Filter are canonical objects; the zero value of a
// field means that the request leaves it out.
type Request struct {
	Type       Type
	RequestID  string
	Collection string
	DocID      string
	Data       []byte
	Filter     []byte
	IfRev      string
	Paths      bool
	Limit      int
	After      string
	Cursor     string
	MutationID string
	Token      string
	// AgentID, Prompt and RunID are about runs of agents.
	AgentID, Prompt, RunID string
	Operations             []Request
	// Where, Order, Fields and Count are of a query: see [ParseQuery].
	Where  []byte
	Order  []string
	Fields []string
	Count  bool
}

// fields of a request: what its type must and may have.
type shape struct{ required, optional []string }

var writeShapes = map[Type]shape{
	TypeInsert: {[]string{"collection", "data"}, []string{"docId"}},
	TypeUpdate: {[]string{"collection", "docId", "data"}, []string{"ifRev", "paths"}},
	TypeDelete: {[]string{"collection", "docId"}, []string{"ifRev"}},
	TypeUpsert: {[]string{"collection", "data"}, []string{"docId", "filter", "paths"}},
}

// shapes are those of whole requests: a write outside a batch may carry a mutationId of its own.
var shapes = func() map[Type]shape {
	all := map[Type]shape{
		TypeList:         {[]string{"collection"}, []string{"limit", "after"}},
		TypeDoc:          {[]string{"collection", "docId"}, nil},
		TypeQuery:        {[]string{"collection"}, []string{"where", "order", "limit", "after", "fields", "count"}},
		TypeBatch:        {[]string{"operations"}, []string{"mutationId"}},
		TypeSubscribe:    {[]string{"collection"}, []string{"docId", "cursor"}},
		TypeUnsubscribe:  {[]string{"collection"}, []string{"docId"}},
		TypePing:         {},
		TypeAuthRefresh:  {[]string{"token"}, nil},
		TypeAgents:       {},
		TypeAgentTrigger: {[]string{"agentId"}, []string{"prompt", "mutationId"}},
		TypeAgentFollow:  {[]string{"runId"}, nil},
	}
	for t, s := range writeShapes {
		all[t] = shape{s.required, append([]string{"mutationId"}, s.optional...)}
	}
	return all
}()

// Writes tells whether the request changes documents.
func (r *Request) Writes() bool {
	_, one := writeShapes[r.Type]
	return one || r.Type == TypeBatch
}

// AboutAgents tells whether the request is about agents and their runs.
func (r *Request) AboutAgents() bool {
	return r.Type == TypeAgents || r.Type == TypeAgentTrigger || r.Type == TypeAgentFollow
}

// frameDepth is how deep a frame may nest: a document inside an operation inside a batch.
const frameDepth = MaxDepth + 3

// DecodeRequest reads one frame. When it fails, the Request holds the type and requestId as far as
// they could be read: with a RequestID the error belongs into the request's own answer, without one
// into a second:data:error. The rules of [Canonical] hold for the whole frame.
func DecodeRequest(frame []byte, limits Limits) (Request, error) {
	text, err := canonicalValue(frame, frameDepth)
	if err != nil {
		return addressee(frame), err
	}
	if text[0] != '{' {
		return Request{}, Errorf(CodeInvalidMessage, "a message must be a JSON object")
	}
	r := Request{}
	if r.Type, r.RequestID, err = envelope(text); err != nil {
		return r, err
	}
	s, known := shapes[r.Type]
	if !known {
		return r, Errorf(CodeUnknownType, "there is no request of type %q", short([]byte(r.Type)))
	}
	return r, r.fill(text, s, limits, "type", "requestId", "source")
}

// envelope reads what every request must have.
func envelope(text []byte) (Type, string, error) {
	id, ok := stringMember(text, "requestId")
	if !ok || id == "" {
		return "", "", Errorf(
			CodeInvalidMessage, "a request needs a requestId: a string that its answer will carry",
		)
	}
	t, ok := stringMember(text, "type")
	if !ok {
		return "", id, Errorf(CodeInvalidMessage, "a request needs a type: a string such as second:data:list")
	}
	return Type(t), id, nil
}

// addressee reads type and requestId of a frame that was refused, so that its sender learns which
// request failed. It finds nothing in text that is no JSON object, or that has either name twice.
func addressee(frame []byte) (r Request) {
	for name, value := range looseMembers(frame) {
		switch name {
		case "requestId":
			if r.RequestID != "" {
				return Request{}
			}
			r.RequestID = value
		case "type":
			if r.Type != "" {
				return Request{}
			}
			r.Type = Type(value)
		}
	}
	return r
}

func stringMember(object []byte, name string) (string, bool) {
	value, ok := Member(object, name)
	if !ok || value[0] != '"' {
		return "", false
	}
	return unquote(value), true
}

// fill reads the members of a canonical object into r. Unknown names are refused: a misspelt ifRev
// must not lose an update.
func (r *Request) fill(object []byte, s shape, limits Limits, also ...string) error {
	for name, value := range Members(object) {
		field := unquote(name)
		if contains(also, field) {
			continue
		}
		if !contains(s.required, field) && !contains(s.optional, field) {
			return Errorf(
				CodeInvalidMessage, "unknown field %s: %s takes %s", short(name), r.Type,
				strings.Join(append(s.required[:len(s.required):len(s.required)], s.optional...), ", "),
			)
		}
		if err := r.set(field, value, limits); err != nil {
			return err
		}
	}
	return r.complete(object, s, limits)
}

func contains(names []string, name string) bool {
	for _, n := range names {
		if n == name {
			return true
		}
	}
	return false
}

func (r *Request) complete(object []byte, s shape, limits Limits) error {
	for _, field := range s.required {
		if _, ok := Member(object, field); !ok {
			return Errorf(CodeInvalidMessage, "%s needs the field %s", r.Type, field)
		}
	}
	if r.Type == TypeUpsert && (r.DocID == "") == (r.Filter == nil) {
		return Errorf(CodeInvalidMessage, "an upsert needs either docId or filter")
	}
	// A document that is over the limit already may be given fields that are: the store decides.
	if r.Type == TypeInsert && len(r.Data) > limits.DocumentBytes {
		return Errorf(CodeTooLarge, "data is %d bytes; the limit is %d", len(r.Data), limits.DocumentBytes)
	}
	if depth(r.Data) > MaxDepth || depth(r.Filter) > MaxDepth {
		return errTooDeep(MaxDepth)
	}
	return nil
}

// set reads one field. The value is canonical JSON.
func (r *Request) set(field string, value []byte, limits Limits) error {
	switch field {
	case "collection":
		return setName(field, value, &r.Collection)
	case "docId":
		return setName(field, value, &r.DocID)
	case "ifRev":
		return setString(field, value, &r.IfRev)
	case "after":
		return setString(field, value, &r.After)
	case "cursor":
		return setString(field, value, &r.Cursor)
	case "token":
		return setString(field, value, &r.Token)
	case "agentId":
		return setName(field, value, &r.AgentID)
	case "runId":
		return setName(field, value, &r.RunID)
	case "prompt":
		return setText(field, value, &r.Prompt)
	case "mutationId":
		return r.setMutationID(value)
	case "data":
		return setObject(field, value, &r.Data)
	case "filter":
		return setObject(field, value, &r.Filter)
	case "paths":
		return setBool(field, value, &r.Paths)
	case "where":
		return setObject(field, value, &r.Where)
	case "order":
		return setNames(field, value, MaxOrder, &r.Order)
	case "fields":
		return setNames(field, value, MaxFields, &r.Fields)
	case "count":
		return setBool(field, value, &r.Count)
	case "limit":
		return r.setLimit(value)
	default: // operations
		return r.setOperations(value, limits)
	}
}

func setString(field string, value []byte, to *string) error {
	if value[0] != '"' || len(value) == 2 {
		return Errorf(CodeInvalidMessage, "%s must be a string that is not empty", field)
	}
	*to = unquote(value)
	return nil
}

// setText is setString for what may be empty.
func setText(field string, value []byte, to *string) error {
	if value[0] != '"' {
		return Errorf(CodeInvalidMessage, "%s must be a string", field)
	}
	*to = unquote(value)
	return nil
}

// setName is setString for ids and collection names.
func setName(field string, value []byte, to *string) error {
	if err := setString(field, value, to); err != nil {
		return err
	}
	return CheckName(field, *to)
}

// setNames reads a list of names.
func setNames(field string, value []byte, most int, to *[]string) error {
	if value[0] != '[' {
		return Errorf(CodeInvalidMessage, "%s must be a list of names", field)
	}
	names := []string{}
	for element := range Elements(value) {
		if len(names) == most {
			return Errorf(CodeInvalidMessage, "%s has at most %d names", field, most)
		}
		var name string
		if err := setName(field+"[]", element, &name); err != nil {
			return err
		}
		names = append(names, name)
	}
	*to = names
	return nil
}

func setObject(field string, value []byte, to *[]byte) error {
	if value[0] != '{' {
		return Errorf(CodeInvalidMessage, "%s must be an object", field)
	}
	*to = value
	return nil
}

func setBool(field string, value []byte, to *bool) error {
	switch string(value) {
	case "true":
		*to = true
	case "false":
		*to = false
	default:
		return Errorf(CodeInvalidMessage, "%s must be true or false", field)
	}
	return nil
}

func (r *Request) setMutationID(value []byte) error {
	if err := setString("mutationId", value, &r.MutationID); err != nil {
		return err
	}
	if len(r.MutationID) > MaxName {
		return Errorf(CodeInvalidMessage, "mutationId is longer than %d bytes", MaxName)
	}
	return nil
}

func (r *Request) setLimit(value []byte) error {
	n, err := strconv.Atoi(string(value))
	if err != nil || n < 1 || n > math.MaxInt32 {
		return Errorf(CodeInvalidMessage, "limit must be an integer of at least 1")
	}
	r.Limit = n
	return nil
}

func (r *Request) setOperations(value []byte, limits Limits) error {
	if value[0] != '[' {
		return Errorf(CodeInvalidMessage, "operations must be an array")
	}
	for element := range Elements(value) {
		if len(r.Operations) == limits.Operations {
			return Errorf(CodeTooLarge, "a batch takes at most %d operations", limits.Operations)
		}
		op, err := decodeOperation(element, limits)
		if err != nil {
			return Errorf(CodeOf(err), "operations[%d]: %s", len(r.Operations), messageOf(err))
		}
		r.Operations = append(r.Operations, op)
	}
	if len(r.Operations) == 0 {
		return Errorf(CodeInvalidMessage, "a batch needs at least one operation")
	}
	return nil
}

func decodeOperation(element []byte, limits Limits) (Request, error) {
	if element[0] != '{' {
		return Request{}, Errorf(CodeInvalidMessage, "an operation must be an object")
	}
	name, _ := stringMember(element, "operation")
	op := Request{Type: Type("second:data:" + name)}
	s, known := writeShapes[op.Type]
	if !known {
		return op, Errorf(CodeInvalidMessage, "operation must be insert, update, delete or upsert")
	}
	return op, op.fill(element, s, limits, "operation")
}
