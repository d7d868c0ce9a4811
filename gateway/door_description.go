package gateway

import (
	"io/fs"
	"net/http"
	"strings"

	"github.com/go-chi/chi/v5"

	"github.com/secondgate/secondgate/docs/api"
)

// descriptionPath is under /.well-known (RFC 8615), since of /api only the data paths are the gateway's.
const descriptionPath = "/.well-known/secondgate/"

// serveDescriptions adds the descriptions of the protocol for machines: openapi.json, asyncapi.json and the schemas
// that both refer to.
func (g *Gateway) serveDescriptions(r chi.Router) {
	r.Group(func(r chi.Router) {
		r.Use(crossOrigin)
		r.Get(descriptionPath+"*", serveDescription)
		r.Head(descriptionPath+"*", serveDescription)
	})
}

func serveDescription(w http.ResponseWriter, r *http.Request) {
	name := strings.TrimPrefix(r.URL.Path, descriptionPath)
	text, err := fs.ReadFile(api.Files, name)
	if err != nil {
		pathNotFound(w, r)
		return
	}
	kind := "application/json"
	if strings.HasPrefix(name, "schema/") {
		kind = "application/schema+json"
	}
	h := w.Header()
	h.Set("Content-Type", kind)
	h.Set("Cache-Control", "no-cache")
	h.Set("X-Content-Type-Options", "nosniff")
	_, _ = w.Write(text) // whoever has gone does not miss it
}
