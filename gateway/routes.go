package gateway

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/go-chi/chi/v5"

	"github.com/secondgate/secondgate/gateway/access"
	"github.com/secondgate/secondgate/gateway/door"
	"github.com/secondgate/secondgate/gateway/proxy"
	"github.com/secondgate/secondgate/gateway/rest"
	"github.com/secondgate/secondgate/gateway/sse"
	"github.com/secondgate/secondgate/gateway/ws"
)

// Handler serves the gateway's own paths. At every other one it serves what Config.Forward names,
// or else page (nil: nothing).
func (g *Gateway) Handler(page http.Handler) http.Handler {
	allowed := &access.Allowlist{Hosts: g.config.Hosts, Origins: g.config.Origins, Refuse: g.env.Refuse}
	r := chi.NewRouter()
	r.Use(allowed.ServedHosts)
	r.Group(func(r chi.Router) {
		r.Use(allowed.ServedOrigins)
		ws.Routes(r, g.env)
		r.Group(func(r chi.Router) {
			r.Use(door.CrossOrigin)
			rest.Routes(r, g.env)
			sse.Routes(r, g.env)
			describe(r)
		})
	})
	r.MethodNotAllowed(allowed.ServedOrigins(http.HandlerFunc(door.MethodNotAllowed)).ServeHTTP)
	r.NotFound(g.elsewhere(page, allowed).ServeHTTP)
	return r
}

// elsewhere serves the paths that are not the gateway's. A web app behind the gateway checks
// origins by rules of its own.
func (g *Gateway) elsewhere(page http.Handler, allowed *access.Allowlist) http.Handler {
	nothing := allowed.ServedOrigins(http.HandlerFunc(door.PathNotFound))
	other, isNothing := nothing, isAPI
	switch {
	case g.config.Forward != nil:
		other, isNothing = proxy.Handler(g.stopped, g.config.Forward, g.config.TrustedProxies, g.config.Log), isOurs
	case page != nil:
		other = allowed.ServedOrigins(page)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if isNothing(r.URL.Path) {
			nothing.ServeHTTP(w, r)
			return
		}
		other.ServeHTTP(w, r)
	})
}

// isOurs reports whether no web app behind the gateway has the path, also where the gateway has
// nothing there. Web servers take many spellings for one path, so a path is ours if any of them is.
func isOurs(path string) bool {
	for range maxDecodings {
		plain := strings.ToLower(strings.ReplaceAll(path, "\\", "/"))
		if isOurPlain(plain) || isOurPlain(joined(plain, false)) || isOurPlain(joined(plain, true)) {
			return true
		}
		decoded, err := url.PathUnescape(path)
		if err != nil || decoded == path {
			return false
		}
		path = decoded
	}
	return true // nobody means such a path
}

// maxDecodings is how often a path may be percent-encoded before it is refused.
const maxDecodings = 4

// isOurPlain reports whether a path is below /api/workspaces/{w}/apps/{a}/data,
// /api/internal/app-data-* or /.well-known/secondgate.
func isOurPlain(path string) bool {
	if strings.HasPrefix(path, "/api/internal/app-data-") || strings.HasPrefix(path, descriptionPath) {
		return true
	}
	parts := strings.SplitN(path, "/", 8) // "", api, workspaces, w, apps, a, data, …
	return len(parts) >= 7 && parts[1] == "api" && parts[2] == "workspaces" && parts[4] == "apps" &&
		parts[6] == "data"
}

// joined is a path without empty parts, "." and parameters such as ;v=1, as web servers may read it;
// if up, with ".." carried out.
func joined(path string, up bool) string {
	parts := []string{""}
	for part := range strings.SplitSeq(path, "/") {
		part, _, _ = strings.Cut(part, ";")
		switch {
		case part == "" || part == ".":
		case part == ".." && up:
			parts = parts[:max(1, len(parts)-1)]
		default:
			parts = append(parts, part)
		}
	}
	return strings.Join(parts, "/")
}

func isAPI(path string) bool { return path == "/api" || strings.HasPrefix(path, "/api/") }
