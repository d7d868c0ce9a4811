// Package web holds what browsers load from the gateway. Today that is the page to try it on.
package web

import (
	"embed"
	"io/fs"
	"net/http"
)

//go:embed try
var files embed.FS

// Page serves the page to try the gateway on.
func Page() http.Handler {
	try, _ := fs.Sub(files, "try") // embedded: cannot fail
	server := http.FileServerFS(try)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().
			Set(
				"Content-Security-Policy",
				"default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; "+
					"form-action 'none'; frame-ancestors 'none'",
			)
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Cache-Control", "no-cache")
		server.ServeHTTP(w, r)
	})
}
