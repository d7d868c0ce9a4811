// Package web holds what browsers load from the gateway. Today that is the demo page.
package web

import (
	"embed"
	"io/fs"
	"net/http"
)

//go:embed demo
var files embed.FS

// policy lets the page load its own files and talk to its own gateway, and nothing else.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// Page serves the demo.
func Page() http.Handler {
	demo, _ := fs.Sub(files, "demo") // embedded: cannot fail
	server := http.FileServerFS(demo)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", policy)
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Cache-Control", "no-cache")
		server.ServeHTTP(w, r)
	})
}
