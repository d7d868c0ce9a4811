package gateway

import (
	"net/http"
	"slices"
	"strings"

	"github.com/secondgate/secondgate/protocol"
)

// allowed holds every request to the exact allowlists of Host and Origin. The library's own check would take a page
// that names itself in both, and an origin of "null" with an empty host.
func (g *Gateway) allowed(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !slices.Contains(g.config.Hosts, strings.ToLower(r.Host)) {
			g.refuse(w, protocol.Errorf(protocol.CodeForbidden, "this host name is not served here: add it to the allowed hosts"))
			return
		}
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

func isAPI(path string) bool { return path == "/api" || strings.HasPrefix(path, "/api/") }
