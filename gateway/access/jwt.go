package access

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/secondgate/secondgate/protocol"
)

// leeway is how far the clocks of whoever signs tokens and of this machine may be apart.
const leeway = 30 * time.Second

// JWT is the mode that believes signed tokens (RFC 7519, with the advice of RFC 8725).
type JWT struct {
	keys   Keys
	parser *jwt.Parser
	kinds  []string // values of the header typ
	read   func(jwt.MapClaims) (Principal, *protocol.Error)
	realm  string
	now    func() time.Time
}

// NewJWT takes tokens of one issuer for one audience.
func NewJWT(keys Keys, issuer, audience string, claims ClaimNames) *JWT {
	return newJWT(keys, issuer, audience, claims, time.Now)
}

func newJWT(keys Keys, issuer, audience string, claims ClaimNames, now func() time.Time) *JWT {
	realm := fmt.Sprintf("jwt %q %q %q", issuer, audience, claims)
	return &JWT{keys: keys, kinds: userKinds, read: claims.principal, realm: realm, now: now, parser: jwt.NewParser(
		jwt.WithValidMethods(keys.algorithms()), jwt.WithIssuer(issuer), jwt.WithAudience(audience),
		jwt.WithExpirationRequired(), jwt.WithLeeway(leeway), jwt.WithTimeFunc(now), jwt.WithStrictDecoding(),
	)}
}

var _ Mode = (*JWT)(nil)

// Realm implements [Mode].
func (m *JWT) Realm() string { return m.realm }

// Identify implements [Mode].
func (m *JWT) Identify(r *http.Request, _ protocol.Scope) (Principal, *protocol.Error) {
	token, refused := bearer(r)
	if refused != nil {
		return Principal{}, refused
	}
	return m.verify(r.Context(), token)
}

// Renew implements [Mode].
func (m *JWT) Renew(
	ctx context.Context, p Principal, _ protocol.Scope, token string,
) (Principal, *protocol.Error) {
	if len(token) > maxToken {
		return p, protocol.Errorf(protocol.CodeUnauthorized, "the token is longer than %d bytes", maxToken)
	}
	renewed, refused := m.verify(ctx, token)
	if refused != nil {
		return p, refused
	}
	if renewed.ID != p.ID {
		return p, errOtherUser()
	}
	return renewed, nil
}

// Allow implements [Mode].
func (m *JWT) Allow(_ context.Context, p Principal, s protocol.Scope, _ Right) *protocol.Error {
	return allowByRoles(p, s, m.now())
}

// verify reads a token. One that expired within the leeway is good until the leeway is over.
func (m *JWT) verify(ctx context.Context, text string) (p Principal, refused *protocol.Error) {
	claims := jwt.MapClaims{}
	_, err := m.parser.ParseWithClaims(text, claims, func(t *jwt.Token) (any, error) {
		if err := checkHeader(t.Header, m.kinds); err != nil {
			return nil, err
		}
		return m.keys.find(ctx, t)
	})
	if err != nil {
		return p, tokenRefused(err)
	}
	if p, refused = m.read(claims); refused != nil {
		return p, refused
	}
	expires, _ := claims.GetExpirationTime() // the parser has read it
	if p.Expires = writable(expires.Time); p.expired(m.now()) {
		p.Expires = p.Expires.Add(leeway)
	}
	if issued, err := claims.GetIssuedAt(); err == nil && issued != nil {
		p.issued = writable(issued.Time)
	}
	p.tokenID, _ = claims["jti"].(string)
	return p, nil
}

// userKinds are the kinds of tokens that people have. A token need not say its kind, if it is one of these.
var userKinds = []string{"jwt", "at+jwt", "application/at+jwt"}

// firstTime and lastTime are as early and as late as a principal's times are. Welcome and tickets write them
// with four digits for the year.
var (
	firstTime = time.Unix(0, 0)
	lastTime  = time.Date(9999, 12, 30, 0, 0, 0, 0, time.UTC)
)

// writable moves a time that a token made up into the years that can be written.
func writable(at time.Time) time.Time {
	switch {
	case at.Before(firstTime):
		return firstTime
	case at.After(lastTime):
		return lastTime
	}
	return at
}

var errHeader = errors.New("a header that is not known")

// checkHeader refuses tokens that are meant for something else. A crit header names extensions that must be
// understood (RFC 7515 §4.1.11), and this gateway has none.
func checkHeader(header map[string]any, kinds []string) error {
	if _, critical := header["crit"]; critical {
		return errHeader
	}
	typ, given := header["typ"]
	name, _ := typ.(string)
	if (given || kinds[0] == AgentKind) && !slices.Contains(kinds, strings.ToLower(name)) {
		return errHeader
	}
	return nil
}

// tokenRefused says what is wrong with a token, but no part of it. What its claims say is told only where the
// signature holds.
func tokenRefused(err error) *protocol.Error {
	var away *protocol.Error
	says := "the token is malformed: send a signed JWT"
	switch {
	case errors.As(err, &away):
		return away
	case errors.Is(err, errHeader):
		says = "the token is of a kind that is not taken here: its header has crit, or another typ"
	case errors.Is(err, jwt.ErrTokenSignatureInvalid), errors.Is(err, jwt.ErrTokenUnverifiable):
		says = "the token's signature does not hold with any key of this gateway"
	case errors.Is(err, jwt.ErrTokenExpired):
		return errExpired()
	case errors.Is(err, jwt.ErrTokenNotValidYet):
		says = "the token is not valid yet"
	case errors.Is(err, jwt.ErrTokenInvalidIssuer):
		says = "the token is from another issuer than --jwt-issuer"
	case errors.Is(err, jwt.ErrTokenInvalidAudience):
		says = "the token is for another audience than --jwt-audience"
	case errors.Is(err, jwt.ErrTokenRequiredClaimMissing):
		says = "the token needs the claims iss, aud and exp"
	case errors.Is(err, jwt.ErrTokenInvalidClaims):
		says = "a time of the token is malformed: exp and nbf are numbers of seconds"
	}
	return protocol.Errorf(protocol.CodeUnauthorized, "%s", says)
}
