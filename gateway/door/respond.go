package door

import (
	"cmp"
	"encoding/json"
	"math"
	"net/http"
	"strconv"
	"strings"

	"github.com/go-chi/chi/v5"

	"github.com/secondgate/secondgate/protocol"
)

// WriteError answers a request with an error's status, code and sentence.
func WriteError(w http.ResponseWriter, e *protocol.Error) { WriteStatus(w, e.Code.Info().HTTP, e) }

// WriteStatus is WriteError with another status.
func WriteStatus(w http.ResponseWriter, status int, e *protocol.Error) {
	body, _ := json.Marshal(map[string]string{"error": string(e.Code), "message": e.Message}) // cannot fail
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	if status == http.StatusUnauthorized && w.Header().Get("WWW-Authenticate") == "" {
		w.Header().Set("WWW-Authenticate", "Bearer") // RFC 9110 §15.5.2
	}
	if e.Code.Info().Retryable {
		w.Header().Set("Retry-After", strconv.Itoa(int(max(1, math.Ceil(e.RetryAfter.Seconds())))))
	}
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n'))
}

// PathNotFound answers a request to a path where there is nothing.
func PathNotFound(w http.ResponseWriter, _ *http.Request) {
	WriteError(w, protocol.Errorf(protocol.CodeNotFound, "there is nothing at this path"))
}

// MethodNotAllowed answers a request with a method that its path does not take.
func MethodNotAllowed(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Allow", strings.Join(methodsAt(r), ", "))
	WriteStatus(w, http.StatusMethodNotAllowed,
		protocol.Errorf(protocol.CodeInvalidMessage, "this path does not take %s", r.Method))
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
