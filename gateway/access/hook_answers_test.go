package access

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/protocol"
)

// answering is a web app with one answer.
func answering(t *testing.T, status int, body string) *url.URL {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}))
	t.Cleanup(server.Close)
	u, err := url.Parse(server.URL)
	require.NoError(t, err)
	return u
}

func withCookie() *http.Request {
	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("Cookie", "session=1")
	return r
}

// TestForwardAnswers: what each answer of a hook means. What it does not mean counts as no answer.
func TestForwardAnswers(t *testing.T) {
	t.Parallel()
	const away, ok = protocol.CodeUnavailable, protocol.Code("")
	for _, c := range []struct {
		status int
		body   string
		want   protocol.Code
	}{
		{200, `{"user":{"id":"ada"},"workspaceRole":"member","appRole":"viewer"}`, ok},
		{200, `{"user":{"id":"ada"},"expiresAt":"2126-12-01T10:00:00Z"}`, ok},
		{200, `{"user":{"id":"ada"},"expiresAt":"tomorrow"}`, away},
		{200, `no JSON`, away},
		{200, `{}`, away},
		{200, `{"user":{"id":"` + strings.Repeat("a", maxUser+1) + `"}}`, away},
		{200, `{"user":{"id":"a\u0000"}}`, away},
		{200, `{"user":{"id":"ada"},"workspaceRole":"viewer"}`, away},
		{200, `{"user":{"id":"ada"},"appRole":"owner"}`, away},
		{200, `{"user":{"id":"ada"}` + strings.Repeat(" ", maxAnswer) + `}`, away},
		{201, `{"user":{"id":"ada"}}`, away},
		{302, ``, away},
		{401, ``, protocol.CodeUnauthorized},
		{403, ``, protocol.CodeForbidden},
		{404, ``, protocol.CodeAppNotFound},
		{500, ``, away},
	} {
		h := NewForward(answering(t, c.status, c.body), false, noLog)
		require.Equal(t, "forward", h.Realm())
		p, refused := h.Identify(withCookie(), app)
		if c.want == ok {
			require.Nil(t, refused, c.body)
			require.Equal(t, "ada", p.ID)
			require.Equal(t, hookRecheck, p.Recheck)
			continue
		}
		require.NotNil(t, refused, c.body)
		require.Equal(t, c.want, refused.Code, "%d %.60s", c.status, c.body)
	}
}

// TestForwardRolesDecide, and a session that ended does not, whatever the web app said before.
func TestForwardRolesDecide(t *testing.T) {
	t.Parallel()
	body := `{"user":{"id":"ada"},"workspaceRole":"member","appRole":"viewer","expiresAt":"2126-12-01T10:00:00Z"}`
	h := NewForward(answering(t, 200, body), false, noLog)
	p, refused := h.Identify(withCookie(), app)
	require.Nil(t, refused)
	require.Nil(t, h.Allow(t.Context(), p, app, Write))
	draft := app
	draft.Draft = true
	require.Equal(t, errDraft, h.Allow(t.Context(), p, draft, Read))
	h.now = func() time.Time { return p.Expires }
	require.Equal(t, errExpired(), h.Allow(t.Context(), p, app, Read))
}

// TestSecondDecides: its status is the answer, and a fingerprint of the session names the user.
func TestSecondDecides(t *testing.T) {
	t.Parallel()
	h := NewSecond(answering(t, 200, `{"docs":[]}`), false, noLog)
	p, refused := h.Identify(withCookie(), app)
	require.Nil(t, refused)
	require.Regexp(t, "^session:[0-9a-f]{16}$", p.ID)
	require.Nil(t, p.Roles)
	require.Nil(t, h.Allow(t.Context(), p, app, Write))
	_, refused = h.Identify(httptest.NewRequest("GET", "/", nil), app)
	require.NotNil(t, refused)
	require.Equal(t, protocol.CodeIdentityRequired, refused.Code)
	away := NewSecond(answering(t, 404, ""), false, noLog)
	require.Equal(t, errOutside, away.Allow(t.Context(), p, app, Read))
}

// TestHookForwardsAnyAuthorization: of whatever scheme, beside the cookies; the web app knows what it means.
func TestHookForwardsAnyAuthorization(t *testing.T) {
	t.Parallel()
	got := make(chan http.Header, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got <- r.Header
		_, _ = w.Write([]byte(`{"user":{"id":"ada"}}`))
	}))
	t.Cleanup(server.Close)
	u, err := url.Parse(server.URL)
	require.NoError(t, err)
	for _, authorization := range []string{"Basic YWRhOmE=", "Bearer x", "Digest username=ada", "Token x"} {
		r := withCookie()
		r.Header.Set("Authorization", authorization)
		_, refused := NewForward(u, false, noLog).Identify(r, app)
		require.Nil(t, refused, authorization)
		asked := <-got
		require.Equal(t, []string{authorization}, asked["Authorization"])
		require.Equal(t, []string{"session=1"}, asked["Cookie"])
		_, refused = NewJWT(secret, "issuer", "gateway", DefaultClaims).Identify(r, app)
		require.NotNil(t, refused, "no token: %s", authorization)
	}
	r := withCookie()
	r.Header["Authorization"] = []string{"Basic YWRhOmE=", "Bearer x"}
	_, refused := NewForward(u, false, noLog).Identify(r, app)
	require.NotNil(t, refused)
	require.Equal(t, protocol.CodeInvalidMessage, refused.Code)
}
