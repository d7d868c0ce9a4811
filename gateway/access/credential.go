package access

import (
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/secondgate/secondgate/protocol"
)

// BearerSubprotocol begins the WebSocket subprotocol that carries a token, for browsers: a page can set no
// header of a socket.
const BearerSubprotocol = "second.bearer."

// maxToken is the greatest length of a token, in bytes. Headers have 16 KiB in all.
const maxToken = 8 << 10

// tokenParameters are names under which tokens are put into URLs.
var tokenParameters = []string{
	"access_token", "authorization", "auth", "bearer", "id_token", "jwt", "token",
}

// bearer is the token of a request: in its Authorization header or, on a socket, in its subprotocol. URLs end
// in logs, histories and referrers, so a token there is refused.
func bearer(r *http.Request) (string, *protocol.Error) {
	authorization, refused := authorizationOf(r)
	if refused != nil {
		return "", refused
	}
	scheme, token, _ := strings.Cut(authorization, " ")
	token = strings.TrimSpace(token)
	if !strings.EqualFold(scheme, "Bearer") || token == "" {
		return "", protocol.Errorf(
			protocol.CodeUnauthorized,
			"the credential is no token: send Authorization: Bearer TOKEN",
		)
	}
	return token, nil
}

// authorizationOf is the one credential of a request, of any scheme.
func authorizationOf(r *http.Request) (string, *protocol.Error) {
	if hasTokenInURL(r.URL) {
		return "", protocol.Errorf(protocol.CodeInvalidMessage,
			"a token in a URL ends in logs: send it as Authorization: Bearer, or as the subprotocol %sTOKEN",
			BearerSubprotocol)
	}
	tokens := tokensOf(r)
	switch {
	case len(tokens) == 0:
		return "", errNobody()
	case len(tokens) > 1:
		return "", errSeveral()
	case len(tokens[0]) > len("Bearer ")+maxToken:
		return "", protocol.Errorf(protocol.CodeUnauthorized, "the token is longer than %d bytes", maxToken)
	}
	return tokens[0], nil
}

// errNobody is for a request without any credential.
func errNobody() *protocol.Error {
	return protocol.Errorf(protocol.CodeIdentityRequired, "sign in: the request carries no token")
}

func errSeveral() *protocol.Error {
	return protocol.Errorf(protocol.CodeInvalidMessage, "the request has several credentials: send one")
}

// tokensOf are the tokens of a request, as Authorization headers have them.
func tokensOf(r *http.Request) []string {
	return append(inSubprotocols(r), r.Header.Values("Authorization")...)
}

// inSubprotocols are the tokens that a socket offers, as Authorization headers have them.
func inSubprotocols(r *http.Request) (all []string) {
	for _, header := range r.Header.Values("Sec-WebSocket-Protocol") {
		for offered := range strings.SplitSeq(header, ",") {
			if token, ok := strings.CutPrefix(strings.TrimSpace(offered), BearerSubprotocol); ok {
				all = append(all, "Bearer "+token)
			}
		}
	}
	return all
}

func hasTokenInURL(u *url.URL) bool {
	for name, values := range u.Query() {
		if slices.Contains(tokenParameters, strings.ToLower(name)) ||
			slices.ContainsFunc(values, aToken.MatchString) {
			return true
		}
	}
	return slices.ContainsFunc(strings.Split(u.Path, "/"), aToken.MatchString)
}

// aToken is a JWT: its first part is the base64 of {" and there are three.
var aToken = regexp.MustCompile(`^eyJ[\w-]+\.[\w-]+\.[\w-]*$`)
