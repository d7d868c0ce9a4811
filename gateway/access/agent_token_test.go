package access

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/protocol"
)

// signedAs is a token of a kind with claims about its agent.
func signedAs(t *testing.T, kind string, agent any) *http.Request {
	t.Helper()
	made := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{
		"iss": "issuer", "aud": "gateway", "exp": time.Now().Add(time.Hour).Unix(), "sub": "ada", AgentClaim: agent,
	})
	made.Header["typ"] = kind
	text, err := made.SignedString([]byte(secret))
	require.NoError(t, err)
	return requestWith(text)
}

// TestAgentTokens: an agent's token names the agent and its app. People's are of another kind.
func TestAgentTokens(t *testing.T) {
	t.Parallel()
	m := NewAgentJWT(secret, "issuer", "gateway")
	good := map[string]any{"id": "e1", "workspace": "w", "app": "a", "version": "draft"}
	p, refused := m.Identify(signedAs(t, AgentKind, good), protocol.Scope{})
	require.Nil(t, refused)
	require.Equal(t, protocol.Scope{Workspace: "w", App: "a", Draft: true}, p.AgentScope)
	require.Equal(t, "agent:e1", p.ID)
	for name, agent := range map[string]any{
		"no claim":     nil,
		"no object":    "e1",
		"no id":        map[string]any{"workspace": "w", "app": "a"},
		"no app":       map[string]any{"id": "e1", "workspace": "w"},
		"the reserved": map[string]any{"id": "e1", "workspace": "w", "app": "a__system"},
	} {
		_, refused := m.Identify(signedAs(t, AgentKind, agent), protocol.Scope{})
		require.NotNil(t, refused, name)
		require.Equal(t, protocol.CodeUnauthorized, refused.Code, name)
	}
	_, refused = m.Identify(signedAs(t, "jwt", good), protocol.Scope{})
	require.NotNil(t, refused, "a person's token")
	people := NewJWT(secret, "issuer", "gateway", DefaultClaims)
	_, refused = people.Identify(signedAs(t, AgentKind, good), protocol.Scope{})
	require.NotNil(t, refused, "an agent's token at a door for people")
}

// TestWhoManagesAndBuilds: by roles in the workspace and in the app.
func TestWhoManagesAndBuilds(t *testing.T) {
	t.Parallel()
	of := func(workspace, appRole string) Principal {
		return Principal{Roles: &Roles{
			Workspaces: map[string]string{
				app.Workspace: workspace,
			}, Apps: map[string]string{app.App: appRole},
		}}
	}
	for name, row := range map[string]struct {
		p               Principal
		manages, builds bool
	}{
		"nobody":            {Principal{}, false, false},
		"the local owner":   {localOwner, true, true},
		"the operator":      {Operator(), true, true},
		"the gateway":       {Gateway(), false, false},
		"an owner":          {of(Owner, ""), true, true},
		"an admin":          {of(Admin, ""), true, true},
		"a creator":         {of(Member, Creator), false, true},
		"a collaborator":    {of(Member, Collaborator), false, true},
		"a viewer":          {of(Member, Viewer), false, false},
		"a creator outside": {of("", Creator), false, false},
	} {
		require.Equal(t, row.manages, row.p.Manages(app), name)
		require.Equal(t, row.builds, row.p.Builds(app), name)
		require.Equal(t, name == "the gateway", row.p.IsGateway(), name)
	}
}

// roleMode says of everybody the same.
type roleMode struct {
	None
	p       Principal
	refused *protocol.Error
}

func (m roleMode) Identify(*http.Request, protocol.Scope) (Principal, *protocol.Error) {
	return m.p, m.refused
}

// TestIdentifyManager: owners and admins of the workspace, and nobody else.
func TestIdentifyManager(t *testing.T) {
	t.Parallel()
	is := func(role string) Principal {
		return Principal{ID: "x", Roles: &Roles{Workspaces: map[string]string{"w": role}}}
	}
	r := httptest.NewRequest("GET", "/", nil)
	for name, row := range map[string]struct {
		m         Mode
		workspace string
		code      protocol.Code
	}{
		"an owner":              {roleMode{p: is(Owner)}, "w", ""},
		"an admin":              {roleMode{p: is(Admin)}, "w", ""},
		"a member":              {roleMode{p: is(Member)}, "w", protocol.CodeAuditForbidden},
		"an outsider":           {roleMode{p: is(Owner)}, "v", protocol.CodeAppNotFound},
		"an owner of no place":  {roleMode{p: is(Owner)}, "", protocol.CodeAppNotFound},
		"everybody":             {None{}, "w", ""},
		"whom the web app lets": {roleMode{p: Principal{ID: "x"}}, "w", ""},
		"whom it says no to":    {roleMode{refused: errDraft}, "w", protocol.CodeAuditForbidden},
		"nobody":                {roleMode{refused: errNobody()}, "w", protocol.CodeIdentityRequired},
	} {
		_, refused := IdentifyManager(row.m, r, row.workspace)
		if row.code == "" {
			require.Nil(t, refused, name)
			continue
		}
		require.NotNil(t, refused, name)
		require.Equal(t, row.code, refused.Code, name)
	}
}

// TestSecondIsAskedForTheAuditTrail: what is the workspace's has another path there.
func TestSecondIsAskedForTheAuditTrail(t *testing.T) {
	t.Parallel()
	asked := make(chan string, 1)
	h := NewSecond(recording(t, asked), true, noLog)
	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("Cookie", "session=x")
	_, refused := IdentifyManager(h, r, "w")
	require.Nil(t, refused)
	require.Equal(t, "/api/workspaces/w/audit-events?limit=1", <-asked)
}

// recording is a web app that says what it was asked.
func recording(t *testing.T, asked chan<- string) *url.URL {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- r.URL.String()
		_, _ = w.Write([]byte(`{"items":[]}`))
	}))
	t.Cleanup(server.Close)
	u, err := url.Parse(server.URL)
	require.NoError(t, err)
	return u
}
