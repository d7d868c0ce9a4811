package web

import (
	"bytes"
	"io/fs"
	"net/http"
	"time"
)

// explorerPolicy lets the explorer load its own files and talk to its own gateway, and nothing else.
const explorerPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// Explorer serves the explorer below /explorer/. If readonly, its pages offer no writes: that is no
// limit to who may write, for which there are rights.
func Explorer(readonly bool) http.Handler {
	dist, _ := fs.Sub(files, "explorer/dist") // embedded: cannot fail, here and below
	text, _ := fs.ReadFile(dist, "index.html")
	if readonly {
		text = bytes.Replace(text, []byte("<html "), []byte("<html data-readonly "), 1)
	}
	mux := http.NewServeMux()
	mux.Handle("/explorer/", http.StripPrefix("/explorer/", http.FileServerFS(dist)))
	mux.HandleFunc("/explorer/{$}", func(w http.ResponseWriter, r *http.Request) {
		http.ServeContent(w, r, "index.html", time.Time{}, bytes.NewReader(text))
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", explorerPolicy)
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Referrer-Policy", "no-referrer")
		w.Header().Set("Cache-Control", "no-cache")
		mux.ServeHTTP(w, r)
	})
}
