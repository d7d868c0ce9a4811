package main

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"os"
	"strings"
)

// leastAdminToken is how long the admin token is at least, in bytes.
const leastAdminToken = 32

// checkAdminToken reads the file of --admin-token-file before any setting is logged: somebody may have put
// the token itself there.
func (c *serve) checkAdminToken() error {
	if c.AdminTokenFile == "" {
		return nil
	}
	text, err := os.ReadFile(c.AdminTokenFile)
	if err != nil {
		return badSetting("the file of --admin-token-file cannot be read: %s", reason(err))
	}
	token := strings.TrimRight(string(text), "\r\n")
	switch {
	case len(token) < leastAdminToken:
		return badSetting("--admin-token-file: the token has %d bytes; it needs at least %d, such as from: "+
			"openssl rand -base64 32", len(token), leastAdminToken)
	case strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }):
		return badSetting("--admin-token-file: the token has characters that no header can carry: " +
			"write one line of letters and digits, such as from: openssl rand -base64 32")
	}
	sum := sha256.Sum256([]byte(token))
	c.adminToken = &sum
	return nil
}

// knows reports whether a request carries the admin token. Without a token everybody is an operator. The
// comparison takes as long for a token that is nearly right.
func (a *admin) knows(r *http.Request) bool {
	if a.token == nil {
		return true
	}
	given := r.Header.Values("Authorization")
	if len(given) != 1 {
		return false
	}
	scheme, token, _ := strings.Cut(given[0], " ")
	sum := sha256.Sum256([]byte(strings.TrimSpace(token)))
	return subtle.ConstantTimeCompare(sum[:], a.token[:]) == 1 && strings.EqualFold(scheme, "Bearer")
}

// forOperators refuses requests without the admin token.
func (a *admin) forOperators(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !a.knows(r) {
			w.Header().Set("WWW-Authenticate", "Bearer")
			answer(w, http.StatusUnauthorized, "unauthorized",
				"send the token of --admin-token-file: Authorization: Bearer TOKEN")
			return
		}
		next.ServeHTTP(w, r)
	})
}
