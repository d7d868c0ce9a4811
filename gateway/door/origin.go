package door

import "net/http"

// CrossOrigin lets pages of an allowed origin read the answer. The allowlist stands before it, so
// every origin that gets here is on it.
func CrossOrigin(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Add("Vary", "Origin")
		if origin := r.Header.Get("Origin"); origin != "" {
			h.Set("Access-Control-Allow-Origin", origin)
			h.Set("Access-Control-Allow-Credentials", "true")
			h.Set("Access-Control-Expose-Headers", "ETag, Retry-After, Second-Cursor")
		}
		next.ServeHTTP(w, r)
	})
}

// Preflight answers OPTIONS: to a browser that asks whether a page may, and to people.
func Preflight(methods string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Allow", methods)
		h.Set("Cache-Control", "no-store")
		if r.Header.Get("Origin") != "" && r.Header.Get("Access-Control-Request-Method") != "" {
			h.Set("Access-Control-Allow-Methods", methods)
			h.Set(
				"Access-Control-Allow-Headers",
				"Authorization, Content-Type, If-Match, Idempotency-Key, Last-Event-ID",
			)
			h.Set("Access-Control-Max-Age", "600")
		}
		w.WriteHeader(http.StatusNoContent)
	}
}
