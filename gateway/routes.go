package gateway

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/go-chi/chi/v5"

	"github.com/secondgate/secondgate/gateway/access"
	"github.com/secondgate/secondgate/gateway/audit"
	"github.com/secondgate/secondgate/gateway/door"
	"github.com/secondgate/secondgate/gateway/proxy"
	"github.com/secondgate/secondgate/gateway/rest"
	"github.com/secondgate/secondgate/gateway/runs"
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
		ws.Routes(r, g.env, g.runs)
		r.Group(func(r chi.Router) {
			r.Use(door.CrossOrigin)
			rest.Routes(r, g.env)
			if g.showsAudit() {
				rest.AuditRoutes(r, g.env)
			}
			sse.Routes(r, g.env)
			g.agents.Internal(r)
			g.mcp.Routes(r)
			g.agents.RequestRoutes(r)
			if g.config.Agents.Forward == nil {
				g.agents.Routes(r)
			}
			describe(r)
		})
		if explorer := g.config.Explorer; explorer != nil {
			r.Get("/explorer", http.RedirectHandler("/explorer/", http.StatusMovedPermanently).ServeHTTP)
			r.Handle("/explorer/*", explorer)
		}
	})
	r.MethodNotAllowed(allowed.ServedOrigins(http.HandlerFunc(door.MethodNotAllowed)).ServeHTTP)
	r.NotFound(g.elsewhere(page, allowed).ServeHTTP)
	return r
}

// showsAudit reports whether the audit trail can be read here. Where nobody is asked who they are,
// the path is that of a web app behind the gateway: that may ask.
func (g *Gateway) showsAudit() bool {
	_, nobody := g.config.Access.(access.None)
	return g.config.Audit.Level != audit.LevelOff && !(nobody && g.config.Forward != nil)
}

// elsewhere serves the paths that are not the gateway's. A web app behind the gateway checks
// origins by rules of its own.
func (g *Gateway) elsewhere(page http.Handler, allowed *access.Allowlist) http.Handler {
	nothing := allowed.ServedOrigins(http.HandlerFunc(door.PathNotFound))
	agents := nothing
	other, isNothing := nothing, isAPI
	switch {
	case g.config.Forward != nil:
		other, isNothing = g.webApp(g.config.Forward), g.isOurs
	case page != nil:
		other = allowed.ServedOrigins(page)
	}
	forwarded := g.config.Agents.Forward != nil
	if forwarded {
		agents = g.webApp(g.config.Agents.Forward)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case forwarded && !isOurs(r.URL.Path, dataParts) && isOfAgents(r.URL.Path):
			agents.ServeHTTP(w, r)
		case isNothing(r.URL.Path):
			nothing.ServeHTTP(w, r)
		default:
			other.ServeHTTP(w, r)
		}
	})
}

// webApp passes requests on to a web app.
func (g *Gateway) webApp(to *url.URL) http.Handler {
	return proxy.Handler(g.stopped, to, g.config.TrustedProxies, g.config.Log)
}

// isOfAgents reports whether a path is one of those that belong to whoever keeps approvals and runs.
func isOfAgents(path string) bool {
	parts := strings.Split(path, "/") // "", api, workspaces, w, apps, a, agents, …
	switch {
	case len(parts) < 5 || parts[1] != "api":
		return path == runs.ReportPath
	case parts[2] != "workspaces":
		return false
	case parts[4] == "events":
		return len(parts) == 5
	}
	return len(parts) > 6 && parts[4] == "apps" && slices.Contains(forwardedParts, parts[6])
}

// isOurs reports whether no web app behind the gateway has the path.
func (g *Gateway) isOurs(path string) bool {
	return isOurs(path, dataParts) || g.config.Agents.Forward == nil && isOurs(path, agentsParts)
}

// runsPart is below an app's path, and has paths elsewhere besides.
const runsPart = "agent-runs"

// isOfRuns reports whether a path is for workers, or for pages that listen to a workspace.
func isOfRuns(path string, parts []string) bool {
	return strings.HasPrefix(path, "/api/internal/agent-run-") ||
		len(parts) >= 5 && parts[1] == "api" && parts[2] == "workspaces" && parts[4] == "events"
}

// What follows an app in the paths of the gateway's own doors.
var (
	dataParts   = []string{"data"}
	agentsParts = []string{"agents", "publish", runsPart}
	// forwardedParts are those of a web app that keeps approvals and runs.
	forwardedParts = []string{"agents", "publish", "reviews", runsPart}
)

// isOurs reports whether no web app behind the gateway has the path, also where the gateway has
// nothing there. Web servers take many spellings for one path, so a path is ours if any of them is.
func isOurs(path string, parts []string) bool {
	for range maxDecodings {
		plain := strings.ToLower(strings.ReplaceAll(path, "\\", "/"))
		if isOurPlain(plain, parts) || isOurPlain(joined(plain, false), parts) ||
			isOurPlain(joined(plain, true), parts) {
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

// isOurPlain reports whether a path is below one of parts in /api/workspaces/{w}/apps/{a}, below
// /api/internal/app-data-* or /.well-known/secondgate. Runs have paths besides.
func isOurPlain(path string, ours []string) bool {
	if strings.HasPrefix(path, "/api/internal/app-data-") || strings.HasPrefix(path, descriptionPath) {
		return true
	}
	parts := strings.SplitN(path, "/", 8) // "", api, workspaces, w, apps, a, data, …
	if slices.Contains(ours, runsPart) && isOfRuns(path, parts) {
		return true
	}
	return len(parts) >= 7 && parts[1] == "api" && parts[2] == "workspaces" && parts[4] == "apps" &&
		slices.Contains(ours, parts[6])
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
