// Package web holds what browsers load from the gateway: the explorer, the demo, and the same without
// any package.
package web

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"io/fs"
	"net/http"
	"time"
)

// What demo/build.mjs and explorer/build.mjs made of the sources is committed, so that a build needs Go
// only.
//
//go:embed demo/dist explorer/dist plain
var files embed.FS

// policy lets the page load its own files and talk to its own gateway, and nothing else. Its
// frames' documents are in the page and inherit the policy; frame-src keeps them from leaving for
// another address.
var policy = "default-src 'none'; script-src 'self' " + hashOf("script") + "; style-src 'self' " + hashOf("style") +
	"; connect-src 'self'; frame-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// hashOf is the source expression for the one element of that name in the app's document.
func hashOf(element string) string {
	app, _ := files.ReadFile("demo/dist/app.html") // embedded: cannot fail
	_, text, _ := bytes.Cut(app, []byte("<"+element+">"))
	text, _, _ = bytes.Cut(text, []byte("</"+element+">"))
	sum := sha256.Sum256(text)
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

// warned is where the demo says that it is open to everybody, and warning what it says then.
var (
	warned  = []byte("<main>") // of both pages
	warning = []byte(
		`<p class="warning" role="note"><strong>Everybody who reaches this address may read and change
all data behind it:</strong> the gateway runs with <code>--auth none --non-loopback</code> and asks nobody who they
are. Choose another <code>--auth</code>, or let nobody but you reach it.</p>
<main>`,
	)
)

// Page serves the demo, and below /plain/ the same without any package. If open, both say what it
// means that nobody is asked who they are.
func Page(open bool) http.Handler {
	demo, _ := fs.Sub(files, "demo/dist") // embedded: cannot fail, here and below
	mux := http.NewServeMux()
	mux.Handle("/", http.FileServerFS(demo))
	mux.Handle("/plain/", http.FileServerFS(files))
	mux.Handle("/{$}", index("demo/dist/index.html", open))
	mux.Handle("/plain/{$}", index("plain/index.html", open))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", policy)
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Cache-Control", "no-cache")
		mux.ServeHTTP(w, r)
	})
}

func index(name string, open bool) http.Handler {
	text, _ := files.ReadFile(name)
	if open {
		text = bytes.Replace(text, warned, warning, 1)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.ServeContent(w, r, "index.html", time.Time{}, bytes.NewReader(text))
	})
}
