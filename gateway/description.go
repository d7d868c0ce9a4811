package gateway

import (
	"io/fs"
	"net/http"
	"strings"

	"github.com/go-chi/chi/v5"

	"github.com/secondgate/secondgate/docs/api"
	"github.com/secondgate/secondgate/gateway/door"
)

// descriptionPath is under /.well-known (RFC 8615), since of /api only the data paths are the
// gateway's.
const descriptionPath = "/.well-known/secondgate/"

// describe adds the descriptions of the protocol for machines: openapi.json, asyncapi.json and the
// schemas that both refer to.
func describe(r chi.Router) {
	r.Get(descriptionPath+"*", serveDescription)
	r.Head(descriptionPath+"*", serveDescription)
}

func serveDescription(w http.ResponseWriter, r *http.Request) {
	name := strings.TrimPrefix(r.URL.Path, descriptionPath)
	text, err := fs.ReadFile(api.Files, name)
	if err != nil {
		door.PathNotFound(w, r)
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
	_, _ = w.Write(text) // a client that has gone does not miss it
}
