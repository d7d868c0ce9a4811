package agents

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"

	"github.com/secondgate/secondgate/gateway/access"
	"github.com/secondgate/secondgate/gateway/approvals"
	"github.com/secondgate/secondgate/gateway/audit"
	"github.com/secondgate/secondgate/gateway/store"
	"github.com/secondgate/secondgate/protocol"
)

// person is a request of somebody who looks after an app.
type person struct {
	principal access.Principal
	scope     protocol.Scope
	query     url.Values
	body      []byte
}

// needs is what a request needs of its principal, beyond access to the app.
type needs struct {
	draft bool // access to the draft, whatever version the request names
	who   func(access.Principal, protocol.Scope) bool
	says  string
}

var (
	anyone   = needs{}
	builders = needs{true, access.Principal.Builds, "that is for those who build the app: ask its creator"}
	creators = needs{true, creates, "only the app's creator, an admin or an owner may change agents.json"}
	managers = needs{true, access.Principal.Manages, "only an admin or an owner of the workspace may publish"}
)

func creates(p access.Principal, s protocol.Scope) bool {
	_, app := p.RolesIn(s)
	return p.Manages(s) || app == access.Creator && p.Builds(s)
}

// call asks who it is, where, and whether that is allowed, reads the body, and serves.
func (d *Door) call(
	need needs, serve func(http.ResponseWriter, *http.Request, *person) (any, *protocol.Error),
) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		out, refused := d.serve(w, r, need, serve)
		if refused != nil {
			d.Env.Refuse(w, refused)
			return
		}
		d.respond(w, out)
	}
}

// reply is an answer with a status of its own.
type reply struct {
	status int
	body   any
	sent   func() // is called once the answer is out; nil: nothing is
}

// respond writes an answer.
func (d *Door) respond(w http.ResponseWriter, out any) {
	answer, ok := out.(reply)
	if !ok {
		answer = reply{status: http.StatusOK, body: out}
	}
	body, err := json.Marshal(answer.body)
	if err != nil {
		d.Env.Refuse(w, d.Env.Store.Failure(&protocol.Request{}, err))
		return
	}
	body = append(body, '\n')
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(answer.status)
	_, _ = w.Write(body) // a client that has gone does not miss it
	if answer.sent != nil {
		_ = http.NewResponseController(w).Flush()
		answer.sent()
	}
}

func (d *Door) serve(
	w http.ResponseWriter, r *http.Request, need needs,
	serve func(http.ResponseWriter, *http.Request, *person) (any, *protocol.Error),
) (any, *protocol.Error) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, protocol.Errorf(protocol.CodeInvalidMessage, "the query is malformed: percent-encode its values")
	}
	p := &person{query: query}
	asked := query
	if need.draft {
		asked = url.Values{"version": {"draft"}}
	}
	var refused *protocol.Error
	if p.principal, p.scope, refused = d.Env.Identify(r, asked, access.Read); refused != nil {
		return nil, refused
	}
	if need.who != nil && !need.who(p.principal, p.scope) {
		return nil, protocol.Errorf(protocol.CodeForbidden, "%s", need.says)
	}
	if refused := d.Env.Quotas.Request(d.Env.Quotas.Rates.Of(p.principal.ID)); refused != nil {
		return nil, refused
	}
	if r.Method == http.MethodPost || r.Method == http.MethodPatch {
		body, room, refused := d.Env.TakeBody(w, r)
		defer d.Env.Memory.Release(room)
		if refused != nil {
			return nil, refused
		}
		if len(body) > approvals.MaxManifest {
			return nil, protocol.Errorf(protocol.CodeTooLarge,
				"the body is %d bytes; it may have %d", len(body), approvals.MaxManifest)
		}
		p.body = body
	}
	id := cmp.Or(r.Header.Get("X-Request-Id"), r.Header.Get("X-Vercel-Id"))
	ctx, cancel := context.WithTimeout(r.Context(), store.RequestTime)
	defer cancel()
	ctx = audit.WithOrigin(ctx, audit.NewOrigin(d.Env.Client(r), id))
	return serve(w, r.WithContext(ctx), p)
}

// showFile is GET …/agents: the file of the version, as it is. Today's pages show an app without a file, or
// with one that is wrong, as an app without agents.
func (d *Door) showFile(_ http.ResponseWriter, r *http.Request, p *person) (any, *protocol.Error) {
	draft, published, refused := d.Approvals.Show(r.Context(), p.scope)
	if refused != nil {
		return nil, refused
	}
	state := published
	if p.scope.Draft {
		state = draft
	}
	if state.File == nil {
		return json.RawMessage(`{"agents":[]}`), nil
	}
	if _, err := approvals.ParseManifest(*state.File); err != nil {
		return json.RawMessage(`{"agents":[]}`), nil
	}
	return json.RawMessage(*state.File), nil
}

// saveFile is PATCH …/agents, whose body is the whole file.
func (d *Door) saveFile(_ http.ResponseWriter, r *http.Request, p *person) (any, *protocol.Error) {
	m, refused := parse(string(p.body))
	if refused == nil && m == nil {
		refused = invalid("agents.json must contain a non-empty agents or appTools array")
	}
	if refused != nil {
		return nil, refused
	}
	return saved{OK: true}, d.Approvals.Save(r.Context(), p.principal, p.scope, m)
}

type saved struct {
	OK                        bool `json:"ok"`
	ReviewInvalidated         bool `json:"reviewInvalidated"`
	DraftCreatedFromPublished bool `json:"draftCreatedFromPublished"`
}

// parse is the manifest of a text, nil if there is nothing in it.
func parse(text string) (*approvals.Manifest, *protocol.Error) {
	m, err := approvals.ParseManifest(text)
	switch {
	case err == approvals.ErrMissing:
		return nil, nil
	case err != nil:
		return nil, invalid(err.Error())
	}
	return m, nil
}

func invalid(sentence string) *protocol.Error {
	return protocol.Errorf(protocol.CodeInvalidAgentsJSON, "%s", sentence)
}

// approved answers an approval.
type approved struct {
	OK            bool    `json:"ok"`
	MockOnly      bool    `json:"mockOnly"`
	HasAgentsJSON bool    `json:"hasAgentsJson"`
	Hash          *string `json:"hash"`
}

func (d *Door) approvedAs(p *person, hash string) approved {
	a := approved{OK: true, MockOnly: !p.principal.Manages(p.scope), HasAgentsJSON: hash != ""}
	if hash != "" {
		a.Hash = &hash
	}
	return a
}

// approve is POST …/agents/approval, with {"agentsJson": …} of that file, else of the draft's.
func (d *Door) approve(_ http.ResponseWriter, r *http.Request, p *person) (any, *protocol.Error) {
	if d.AdminsApprove && !p.principal.Manages(p.scope) {
		return nil, protocol.Errorf(protocol.CodeForbidden,
			"only an admin or an owner may approve agents here: ask one to")
	}
	m, refused := named(p.body)
	if refused != nil {
		return nil, refused
	}
	hash, refused := d.Approvals.Approve(r.Context(), p.principal, p.scope, m)
	return d.approvedAs(p, hash), refused
}

// named is the file that a body names, nil for one that names none.
func named(body []byte) (*approvals.Manifest, *protocol.Error) {
	var b struct {
		AgentsJSON json.RawMessage `json:"agentsJson"`
	}
	if json.Unmarshal(body, &b) != nil || len(b.AgentsJSON) == 0 {
		return nil, nil
	}
	text := string(b.AgentsJSON)
	var quoted string
	if json.Unmarshal(b.AgentsJSON, &quoted) == nil && b.AgentsJSON[0] == '"' {
		text = quoted
	}
	m, refused := parse(text)
	if refused == nil && m == nil {
		refused = invalid("agents.json is not valid JSON")
	}
	return m, refused
}

// publish is POST …/publish.
func (d *Door) publish(_ http.ResponseWriter, r *http.Request, p *person) (any, *protocol.Error) {
	hash, refused := d.Approvals.Publish(r.Context(), p.principal, p.scope)
	return d.approvedAs(p, hash), refused
}

// revoke is DELETE …/agents/approval of a version. The published one's is for those who publish.
func (d *Door) revoke(_ http.ResponseWriter, r *http.Request, p *person) (any, *protocol.Error) {
	if refused := p.versioned(); refused != nil {
		return nil, refused
	}
	return map[string]bool{"ok": true}, d.Approvals.Revoke(r.Context(), p.principal, p.scope)
}

// showApproval is GET …/agents/approval: whether the version's file is approved, and by whom.
func (d *Door) showApproval(_ http.ResponseWriter, r *http.Request, p *person) (any, *protocol.Error) {
	draft, published, refused := d.Approvals.Show(r.Context(), p.scope)
	if refused != nil {
		return nil, refused
	}
	if p.scope.Draft {
		return draft.View(), nil
	}
	return published.View(), nil
}

// history is GET …/agents/history.
func (d *Door) history(_ http.ResponseWriter, r *http.Request, p *person) (any, *protocol.Error) {
	limit := 100
	if text := p.query.Get("limit"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > 200 {
			return nil, protocol.Errorf(protocol.CodeInvalidMessage, "limit must be an integer from 1 to 200")
		}
		limit = n
	}
	events, next, refused := d.Approvals.History(r.Context(), p.scope, limit, p.query.Get("after"))
	if refused != nil {
		return nil, refused
	}
	return struct {
		Items []approvals.Event `json:"items"`
		Next  string            `json:"next,omitempty"`
	}{events, next}, nil
}
