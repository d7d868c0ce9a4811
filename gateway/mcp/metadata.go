package mcp

import (
	_ "embed"
	"net/http"
	"strings"

	sdkauth "github.com/modelcontextprotocol/go-sdk/auth"
	"github.com/modelcontextprotocol/go-sdk/oauthex"
)

//go:embed llms.txt
var llms []byte

// guide is /llms.txt: what an agent, or a person with one, needs to know.
func guide(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = w.Write(llms)
}

// metadata is the protected resource's (RFC 9728).
func (d *Door) metadata(w http.ResponseWriter, r *http.Request) {
	m := &oauthex.ProtectedResourceMetadata{
		Resource: base(r) + Path, ResourceName: "secondgate", BearerMethodsSupported: []string{"header"},
	}
	if strings.HasPrefix(d.Issuer, "https://") {
		m.AuthorizationServers = []string{d.Issuer}
	}
	sdkauth.ProtectedResourceMetadataHandler(m).ServeHTTP(w, r)
}
