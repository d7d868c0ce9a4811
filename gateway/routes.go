package gateway

import (
	"net/http"
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
		other, isNothing = proxy.Handler(g.stopped, g.config.Forward, g.config.Log), isOurs
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
// nothing there: below /api/workspaces/{w}/apps/{a}/data, /api/internal/app-data-*, and below
// /.well-known/secondgate.
func isOurs(path string) bool {
	if strings.HasPrefix(path, "/api/internal/app-data-") || strings.HasPrefix(path, descriptionPath) {
		return true
	}
	parts := strings.SplitN(path, "/", 8) // "", api, workspaces, w, apps, a, data, …
	return len(parts) >= 7 && parts[1] == "api" && parts[2] == "workspaces" && parts[4] == "apps" &&
		parts[6] == "data"
}

func isAPI(path string) bool { return path == "/api" || strings.HasPrefix(path, "/api/") }
