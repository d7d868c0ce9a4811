package mcp

import (
	"net/http"
	"strings"
	"sync"

	"github.com/go-chi/chi/v5"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/gateway/access"
	"github.com/secondgate/secondgate/gateway/approvals"
	"github.com/secondgate/secondgate/gateway/door"
	"github.com/secondgate/secondgate/protocol"
)

const (
	// Path is where the door is.
	Path = "/mcp"
	// metadataPath says who gives out tokens (RFC 9728).
	metadataPath = "/.well-known/oauth-protected-resource" + Path
)

// Door serves agents in an Env.
type Door struct {
	Env       *door.Env
	Approvals *approvals.Approvals
	// Tokens knows the tokens of agents; nil: there are none.
	Tokens access.Mode
	// Open lets everybody who reaches the gateway say which agent they are, in the URL.
	Open bool
	// Issuer is who gives out tokens, a URL or a name.
	Issuer  string
	Version string
	// Cap is how many documents one call may change before a person must allow it.
	Cap int
	// Elicitation has clients ask their person about a larger call. The answer can be given by all who
	// hold the agent's token. Without it only a person whom the gateway knows allows one.
	Elicitation bool
	Requests    *approvals.Requests

	schemas   *sdk.SchemaCache
	listening sync.WaitGroup // what tells clients of changes
}

// Routes adds the paths.
func (d *Door) Routes(r chi.Router) {
	d.schemas = sdk.NewSchemaCache()
	h := sdk.NewStreamableHTTPHandler(d.server, &sdk.StreamableHTTPOptions{
		Stateless: true, JSONResponse: false, MaxRequestBodyBytes: int64(d.Env.Limits.FrameBytes),
		PropagateRequestCancellation: true,
		DisableLocalhostProtection:   true, // Host is on an exact list already
		Logger:                       d.Env.Log,
	})
	r.Handle(Path, d.admit(h))
	r.Get(metadataPath, d.metadata)
	r.Get("/llms.txt", guide)
}

// Wait waits until nothing of the door runs any more. Its requests have ended by then.
func (d *Door) Wait() { d.listening.Wait() }

type agentKey struct{}

// admit lets a request in that says which agent it is from.
func (d *Door) admit(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a, refused := d.identify(r)
		if refused != nil {
			d.refuse(w, r, refused)
			return
		}
		d.serve(w, r, a, next)
	})
}

// refuse tells where to get a token (RFC 9728 §5.1).
func (d *Door) refuse(w http.ResponseWriter, r *http.Request, refused *protocol.Error) {
	if refused.Code.Info().HTTP == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Bearer resource_metadata="`+base(r)+metadataPath+`"`)
	}
	d.Env.Refuse(w, refused)
}

func base(r *http.Request) string {
	scheme := "http"
	if r.TLS != nil || r.Header.Get("X-Forwarded-Proto") == "https" {
		scheme = "https"
	}
	return scheme + "://" + r.Host
}

// identify names the agent of a request.
func (d *Door) identify(r *http.Request) (*agent, *protocol.Error) {
	if d.Open && r.Header.Get("Authorization") == "" {
		return d.named(r)
	}
	if d.Tokens == nil {
		return nil, protocol.Errorf(protocol.CodeIdentityRequired,
			"this gateway has no tokens for agents: its operator sets --agent-secret-file")
	}
	p, refused := d.Tokens.Identify(r, protocol.Scope{})
	if refused != nil {
		return nil, refused
	}
	return d.agent(p), nil
}

// named is the agent that a URL names, where nobody is asked who they are.
func (d *Door) named(r *http.Request) (*agent, *protocol.Error) {
	q := r.URL.Query()
	scope, err := protocol.ParseScope(q.Get("workspace"), q.Get("app"), q.Get("version"))
	id := strings.TrimSpace(q.Get("agent"))
	if err != nil || id == "" {
		return nil, protocol.Errorf(protocol.CodeIdentityRequired,
			"say which agent you are: %s?workspace=W&app=A&version=draft&agent=ID, or send a token", Path)
	}
	return d.agent(access.Principal{
		ID: "agent:" + id, Name: id, Actor: backends.Actor{Kind: "agent", ID: id}, AgentScope: scope,
	}), nil
}

func (d *Door) agent(p access.Principal) *agent {
	p.Agent = access.Narrowed(d.Approvals.Agent(p.Actor.ID), p.AgentOperations)
	return &agent{door: d, principal: p, scope: p.AgentScope}
}

// server is one for the agent of a request: it lists that agent's collections.
func (d *Door) server(r *http.Request) *sdk.Server {
	a, _ := r.Context().Value(agentKey{}).(*agent)
	if a == nil {
		return nil
	}
	if a.server == nil { // the SDK asks twice
		a.server = a.newServer(r.Context())
	}
	return a.server
}
