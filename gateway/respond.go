package gateway

import (
	"cmp"
	"encoding/json"
	"net/http"
	"strings"

	"github.com/go-chi/chi/v5"

	"github.com/secondgate/secondgate/protocol"
)

// writeError answers a request with an error's status and its code and sentence.
func writeError(w http.ResponseWriter, e *protocol.Error) { writeStatus(w, e.Code.Info().HTTP, e) }

func writeStatus(w http.ResponseWriter, status int, e *protocol.Error) {
	body, _ := json.Marshal(map[string]string{"error": string(e.Code), "message": e.Message}) // strings: cannot fail
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	if e.Code.Info().Retryable {
		w.Header().Set("Retry-After", "1")
	}
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n'))
}

func pathNotFound(w http.ResponseWriter, r *http.Request) {
	writeError(w, protocol.Errorf(protocol.CodeNotFound, "there is nothing at this path"))
}

func methodNotAllowed(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Allow", strings.Join(methodsAt(r), ", "))
	writeStatus(w, http.StatusMethodNotAllowed, protocol.Errorf(protocol.CodeInvalidMessage, "this path does not take %s", r.Method))
}

// methodsAt are the methods that the request's path takes.
func methodsAt(r *http.Request) (methods []string) {
	routes := chi.RouteContext(r.Context()).Routes
	path := cmp.Or(r.URL.RawPath, r.URL.Path) // as the router does
	for _, m := range []string{"GET", "HEAD", "POST", "PATCH", "DELETE", "OPTIONS"} {
		if routes.Match(chi.NewRouteContext(), m, path) {
			methods = append(methods, m)
		}
	}
	return methods
}
