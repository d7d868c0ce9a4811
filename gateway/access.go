package gateway

import (
	"net/http"
	"slices"
	"strings"

	"github.com/secondgate/secondgate/protocol"
)

// servedHosts holds every request to the exact allowlist of Host. The library's own check would take a page that names
// itself in both headers, and an origin of "null" with an empty host.
func (g *Gateway) servedHosts(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !slices.Contains(g.config.Hosts, strings.ToLower(r.Host)) {
			g.refuse(w, protocol.Errorf(protocol.CodeForbidden, "this host name is not served here: add it to the allowed hosts"))
			return
		}
		next.ServeHTTP(w, r)
	})
}

// servedOrigins holds every request to the exact allowlist of Origin, but for those that a web app behind the gateway
// answers: that has rules of its own.
func (g *Gateway) servedOrigins(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !g.originAllowed(r.Header.Values("Origin")) {
			g.refuse(w, protocol.Errorf(protocol.CodeForbidden, "pages of this origin are not served here: add it to the allowed origins"))
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (g *Gateway) refuse(w http.ResponseWriter, e *protocol.Error) {
	g.config.Metrics.failed(e)
	writeError(w, e)
}

// originAllowed: no header means no browser; two are nobody's honest request.
func (g *Gateway) originAllowed(origins []string) bool {
	return len(origins) == 0 || len(origins) == 1 && slices.Contains(g.config.Origins, origins[0])
}

// isOurs tells the paths that no web app behind the gateway has, also where the gateway has nothing there: below
// /api/workspaces/{w}/apps/{a}/data, /api/internal/app-data-*, and below /.well-known/secondgate.
func isOurs(path string) bool {
	if strings.HasPrefix(path, "/api/internal/app-data-") || strings.HasPrefix(path, descriptionPath) {
		return true
	}
	parts := strings.SplitN(path, "/", 8) // "", api, workspaces, w, apps, a, data, …
	return len(parts) >= 7 && parts[1] == "api" && parts[2] == "workspaces" && parts[4] == "apps" && parts[6] == "data"
}

func isAPI(path string) bool { return path == "/api" || strings.HasPrefix(path, "/api/") }
