package gateway_test

import (
	"crypto/sha256"
	"encoding/hex"
	"regexp"

	"github.com/secondgate/secondgate/protocol"
)

// canaryScopes are scopes that a careless key, prefix or comparison takes for one another.
func canaryScopes(n int) (all []protocol.Scope) {
	apps := []string{
		"a", "A", "a-", "a_", "a__", "a_draft", "a__draf", "adraft", "draft", "a1", "1a1", "1a", "a1-", "a-1", "aa",
		"AA", "Aa",
	}
	for _, app := range apps {
		for _, w := range []string{"w", "w1", "w1a", "w-1", "w_1", "1"} {
			all = append(all, protocol.Scope{Workspace: w, App: app},
				protocol.Scope{Workspace: w, App: app, Draft: true})
		}
	}
	return all[:n]
}

// anyMark is the canary of any scope.
var anyMark = regexp.MustCompile(`cnry[0-9a-f]{16}`)

// markOf is the canary of a scope: each of its documents carries it, and the documents' ids begin with it.
func markOf(s protocol.Scope) string {
	sum := sha256.Sum256([]byte(s.Workspace + "/" + s.App + "/" + s.Version()))
	return "cnry" + hex.EncodeToString(sum[:8])
}
