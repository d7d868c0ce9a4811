package access

import (
	"net/http"
	"slices"
	"strings"

	"github.com/secondgate/secondgate/protocol"
)

// Allowlist holds the exact values of Host and Origin that are served. The WebSocket library's own
// check is not enough: it takes a page that names itself in both headers, and an origin of "null"
// with an empty host.
type Allowlist struct {
	// Hosts are in lower case, port included.
	Hosts   []string
	Origins []string
	// Refuse answers a request that is not served.
	Refuse func(w http.ResponseWriter, e *protocol.Error)
}

// ServedHosts refuses requests to other hosts. It stands before every door.
func (a *Allowlist) ServedHosts(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !slices.Contains(a.Hosts, strings.ToLower(r.Host)) {
			a.Refuse(w, protocol.Errorf(protocol.CodeForbidden,
				"this host name is not served here: add it to the allowed hosts"))
			return
		}
		next.ServeHTTP(w, r)
	})
}

// ServedOrigins refuses requests of pages from other origins. It stands before every door of the
// gateway's own; a web app behind the gateway has rules of its own.
func (a *Allowlist) ServedOrigins(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !a.allows(r.Header.Values("Origin")) {
			a.Refuse(w, protocol.Errorf(protocol.CodeForbidden,
				"pages of this origin are not served here: add it to the allowed origins"))
			return
		}
		next.ServeHTTP(w, r)
	})
}

// allows takes a request without an Origin header, for it comes from no browser, and refuses one
// with two.
func (a *Allowlist) allows(origins []string) bool {
	return len(origins) == 0 || len(origins) == 1 && slices.Contains(a.Origins, origins[0])
}
