package access

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/protocol"
)

const (
	// hookTime is how long a web app may take to say who somebody is.
	hookTime = 2 * time.Second
	// hookRecheck is how often it is asked again for a connection that lasts. What it takes back ends such a
	// connection within this, answerTime and hookTime together at the latest.
	hookRecheck = 4 * time.Second
)

// Hook is the mode that asks a web app, by HTTP, who a request is from and what they may do.
type Hook struct {
	realm   string
	client  *http.Client
	log     *slog.Logger
	request func(s protocol.Scope) string // the URL to ask
	read    func(credential string, s protocol.Scope, r *http.Response) (Principal, *protocol.Error)
	answers answers
	now     func() time.Time
}

var _ Mode = (*Hook)(nil)

// NewForward asks a URL that speaks docs/security.md.
func NewForward(u *url.URL, private bool, log *slog.Logger) *Hook {
	h := newHook("forward", u, private, log)
	h.read = readForward
	h.request = func(s protocol.Scope) string {
		target := *u
		query := target.Query()
		query.Set("workspace", s.Workspace)
		query.Set("app", s.App)
		query.Set("version", s.Version())
		target.RawQuery = query.Encode()
		return target.String()
	}
	return h
}

// NewSecond asks a web app of Second, which answers a read of a collection that nobody has.
func NewSecond(u *url.URL, private bool, log *slog.Logger) *Hook {
	h := newHook("second", u, private, log)
	h.read = readSecond
	h.request = func(s protocol.Scope) string {
		if s.App == "" { // for what is the workspace's, see IdentifyManager
			target := u.JoinPath("api", "workspaces", s.Workspace, "audit-events")
			target.RawQuery = "limit=1"
			return target.String()
		}
		target := u.JoinPath("api", "workspaces", s.Workspace, "apps", s.App, "data")
		target.RawQuery = url.Values{"version": {s.Version()}, "collection": {"_"}}.Encode()
		return target.String()
	}
	return h
}

func newHook(realm string, u *url.URL, private bool, log *slog.Logger) *Hook {
	return &Hook{realm: realm, client: Client(u, private, hookTime), log: log, now: time.Now}
}

// Realm implements [Mode].
func (h *Hook) Realm() string { return h.realm }

// Identify implements [Mode].
func (h *Hook) Identify(r *http.Request, s protocol.Scope) (Principal, *protocol.Error) {
	credential, refused := credentialOf(r)
	if refused != nil || s == (protocol.Scope{}) {
		return Principal{}, refused
	}
	return h.ask(r.Context(), credential, s)
}

// credentialOf is what the web app knows a browser by: its cookies and its Authorization header, of any
// scheme. A browser sends Basic by itself to a site that asks for it, beside the cookie of a session. No
// other header goes to the web app.
func credentialOf(r *http.Request) (string, *protocol.Error) {
	cookie := strings.Join(r.Header.Values("Cookie"), "; ")
	authorization, refused := authorizationOf(r)
	switch {
	case refused == nil:
		return cookie + "\n" + authorization, nil
	case refused.Code == protocol.CodeIdentityRequired && cookie != "":
		return cookie + "\n", nil
	}
	return "", refused
}

// Renew implements [Mode].
func (h *Hook) Renew(
	ctx context.Context, p Principal, s protocol.Scope, token string,
) (Principal, *protocol.Error) {
	if len(token) > maxToken || strings.ContainsFunc(token, unicode.IsControl) {
		return p, protocol.Errorf(protocol.CodeUnauthorized, "the token is malformed")
	}
	cookie, _, _ := strings.Cut(p.credential, "\n")
	renewed, refused := h.ask(ctx, cookie+"\nBearer "+token, s)
	if refused == nil && renewed.ID != p.ID {
		refused = errOtherUser()
	}
	return renewed, refused
}

// Allow implements [Mode]. The web app is asked again once its answer is older than answerTime.
func (h *Hook) Allow(ctx context.Context, p Principal, s protocol.Scope, _ Right) *protocol.Error {
	if p.expired(h.now()) {
		return errExpired()
	}
	fresh, refused := h.ask(ctx, p.credential, s)
	switch {
	case refused != nil:
		return refused
	case fresh.ID != p.ID:
		return errOtherUser()
	case fresh.Roles == nil: // the web app has decided
		return nil
	}
	return fresh.Roles.check(s)
}

// ask returns what the web app says, which may be a few seconds old.
func (h *Hook) ask(ctx context.Context, credential string, s protocol.Scope) (Principal, *protocol.Error) {
	sum := sha256.Sum256([]byte(credential))
	return h.answers.get(ctx, answerKey{sum, s}, func() (Principal, *protocol.Error) {
		p, refused := h.fetch(credential, s)
		p.credential, p.Recheck = credential, hookRecheck
		return p, refused
	})
}

// fetch asks the web app. Its context is not a client's: others wait for the same answer.
func (h *Hook) fetch(credential string, s protocol.Scope) (Principal, *protocol.Error) {
	ctx, cancel := context.WithTimeout(context.Background(), hookTime)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, h.request(s), nil)
	if err != nil {
		return Principal{}, h.away(err)
	}
	cookie, authorization, _ := strings.Cut(credential, "\n")
	setUnlessEmpty(request.Header, "Cookie", cookie)
	setUnlessEmpty(request.Header, "Authorization", authorization)
	request.Header.Set("Accept", "application/json")
	answer, err := h.client.Do(request)
	if err != nil {
		return Principal{}, h.away(err)
	}
	defer answer.Body.Close()
	switch answer.StatusCode {
	case http.StatusOK:
		p, refused := h.read(credential, s, answer)
		if refused != nil {
			h.log.Error("the web app's answer about access cannot be used", "reason", refused.Message)
			refused = errAway()
		}
		return p, refused
	case http.StatusUnauthorized:
		return Principal{}, protocol.Errorf(
			protocol.CodeUnauthorized,
			"sign in again: the web app does not know this session",
		)
	case http.StatusForbidden:
		return Principal{}, protocol.Errorf(protocol.CodeForbidden, "your role in this app does not allow it")
	case http.StatusNotFound:
		return Principal{}, errOutside
	}
	h.log.Error("the web app that says who may do what failed", "status", answer.StatusCode)
	return Principal{}, errAway()
}

func setUnlessEmpty(h http.Header, name, value string) {
	if value != "" {
		h.Set(name, value)
	}
}

// away logs why the web app could not be asked. The URL is in the configuration, and may hold a secret.
func (h *Hook) away(err error) *protocol.Error {
	if failed, ok := err.(*url.Error); ok {
		err = failed.Err
	}
	h.log.Error("the web app that says who may do what cannot be asked", "error", err)
	return errAway()
}

func errAway() *protocol.Error {
	return protocol.Errorf(protocol.CodeUnavailable,
		"the web app that says who you are cannot be asked for the moment: try again")
}

func errOtherUser() *protocol.Error {
	return protocol.Errorf(protocol.CodeUnauthorized,
		"the credential is another user's: open a connection for that user")
}

// forwarded is the answer of a hook.
type forwarded struct {
	User struct {
		ID   string `json:"id"`
		Name string `json:"name"`
	} `json:"user"`
	WorkspaceRole string     `json:"workspaceRole"`
	AppRole       string     `json:"appRole"`
	ExpiresAt     *time.Time `json:"expiresAt"`
}

// readForward reads the answer of a hook: of one user in one scope, which is all that the roles say.
func readForward(_ string, s protocol.Scope, r *http.Response) (Principal, *protocol.Error) {
	var f forwarded
	if err := json.NewDecoder(r.Body).Decode(&f); err != nil {
		return Principal{}, badAnswer("it is no JSON object as docs/security.md shows")
	}
	if f.User.ID == "" || len(f.User.ID) > maxUser || strings.ContainsFunc(f.User.ID, unicode.IsControl) {
		return Principal{}, badAnswer("user.id must be a string of 1 to 256 bytes")
	}
	p := Principal{ID: f.User.ID, Name: f.User.Name, Actor: backends.Actor{Kind: "user", ID: f.User.ID}}
	p.Roles = &Roles{Workspaces: map[string]string{}, Apps: map[string]string{}}
	if f.WorkspaceRole != "" && !p.Roles.addWorkspace(s.Workspace, f.WorkspaceRole) {
		return Principal{}, badAnswer("workspaceRole must be owner, admin or member")
	}
	if f.AppRole != "" && !p.Roles.addApp(s.App, f.AppRole) {
		return Principal{}, badAnswer("appRole must be creator, collaborator or viewer")
	}
	if f.ExpiresAt != nil {
		p.Expires = *f.ExpiresAt
	}
	return p, nil
}

func badAnswer(says string) *protocol.Error {
	return protocol.Errorf(protocol.CodeInternal, "%s", says)
}

// readSecond names a user by a fingerprint of the credential: the web app does not say who it is.
func readSecond(credential string, _ protocol.Scope, _ *http.Response) (Principal, *protocol.Error) {
	sum := sha256.Sum256([]byte(credential))
	id := "session:" + hex.EncodeToString(sum[:8])
	return Principal{ID: id, Actor: backends.Actor{Kind: "user", ID: id}}, nil
}
