package access

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"maps"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/protocol"
)

var (
	noon   = time.Date(2026, 12, 1, 12, 0, 0, 0, time.UTC)
	secret = Secret("a secret of at least thirty-two bytes")
)

// good are the claims of a token that is taken.
func good() jwt.MapClaims {
	return jwt.MapClaims{
		"iss": "issuer", "aud": "gateway", "exp": noon.Add(time.Hour).Unix(), "sub": "u1", "name": "Ada",
		"workspaces": map[string]any{"W1": "member"}, "apps": map[string]any{"a1": "viewer"},
	}
}

// with is good with other claims; a nil one is left out.
func with(changes jwt.MapClaims) jwt.MapClaims {
	claims := good()
	maps.Copy(claims, changes)
	maps.DeleteFunc(claims, func(_ string, value any) bool { return value == nil })
	return claims
}

func signed(
	t *testing.T,
	method jwt.SigningMethod,
	key any,
	header map[string]any,
	claims jwt.MapClaims,
) string {
	t.Helper()
	token := jwt.NewWithClaims(method, claims)
	maps.Copy(token.Header, header)
	text, err := token.SignedString(key)
	require.NoError(t, err)
	return text
}

// private are keys of every kind, and some that must not be used.
type private struct {
	rsa, weak *rsa.PrivateKey
	p256      *ecdsa.PrivateKey
	p384      *ecdsa.PrivateKey
	ed        ed25519.PrivateKey
}

func newPrivate(t *testing.T) (k private) {
	var errs [5]error
	k.rsa, errs[0] = rsa.GenerateKey(rand.Reader, 2048)
	k.weak, errs[1] = rsa.GenerateKey(rand.Reader, 1024)
	k.p256, errs[2] = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	k.p384, errs[3] = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	_, k.ed, errs[4] = ed25519.GenerateKey(rand.Reader)
	for _, err := range errs {
		require.NoError(t, err)
	}
	return k
}

func pemOf(t *testing.T, keys ...crypto.PublicKey) (text []byte) {
	for _, key := range keys {
		der, err := x509.MarshalPKIXPublicKey(key)
		require.NoError(t, err)
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})...)
	}
	return text
}

func verify(keys Keys, token string) (Principal, *protocol.Error) {
	m := newJWT(keys, "issuer", "gateway", DefaultClaims, func() time.Time { return noon })
	return m.verify(context.Background(), token)
}

// TestTokensThatAreTaken: by each kind of key, and what they say.
func TestTokensThatAreTaken(t *testing.T) {
	k := newPrivate(t)
	file, err := NewPEM(pemOf(t, k.rsa.Public(), k.p256.Public(), k.ed.Public()))
	require.NoError(t, err)
	for name, c := range map[string]struct {
		keys   Keys
		method jwt.SigningMethod
		key    any
	}{
		"HS256": {secret, jwt.SigningMethodHS256, []byte(secret)},
		"RS256": {file, jwt.SigningMethodRS256, k.rsa},
		"ES256": {file, jwt.SigningMethodES256, k.p256},
		"EdDSA": {file, jwt.SigningMethodEdDSA, k.ed},
	} {
		p, refused := verify(c.keys, signed(t, c.method, c.key, nil, good()))
		require.Nil(t, refused, name)
		require.Equal(t, "u1", p.ID)
		require.Equal(t, "Ada", p.Name)
		require.Equal(t, noon.Add(time.Hour), p.Expires.UTC())
		require.Equal(t, map[string]string{"w1": "member"}, p.Roles.Workspaces)
		require.Equal(t, map[string]string{"a1": "viewer"}, p.Roles.Apps)
	}
}

// TestTokensThatAreTakenToo: what may differ.
func TestTokensThatAreTakenToo(t *testing.T) {
	for name, claims := range map[string]jwt.MapClaims{
		"expired within the leeway":       {"exp": noon.Add(-20 * time.Second).Unix()},
		"valid in a moment":               {"nbf": noon.Add(20 * time.Second).Unix()},
		"one audience of several":         {"aud": []string{"other", "gateway"}},
		"an expiry with a fraction":       {"exp": float64(noon.Unix()) + 60.5},
		"no roles":                        {"workspaces": nil, "apps": nil},
		"no name":                         {"name": nil},
		"claims that nobody knows":        {"later": map[string]any{"a": 1}},
		"a name that is no string":        {"name": 5},
		"an issue time in the far future": {"iat": noon.Add(1000 * time.Hour).Unix()},
	} {
		p, refused := verify(secret, signed(t, jwt.SigningMethodHS256, []byte(secret), nil, with(claims)))
		require.Nil(t, refused, name)
		require.True(t, p.Expires.After(noon), name)
	}
}

// attack is a token that must be refused.
type attack struct{ name, token, says string }

// TestAttackedTokens: RFC 8725's list and reliability-security.md's. Each is 401, with a sentence.
func TestAttackedTokens(t *testing.T) {
	k := newPrivate(t)
	public := pemOf(t, k.rsa.Public(), k.p256.Public(), k.ed.Public())
	file, err := NewPEM(public)
	require.NoError(t, err)
	n := 0
	for keys, attacks := range map[Keys][]attack{
		&boxed{secret}: attacksOnSecret(t, k), &boxed{file}: attacksOnKeys(t, k, public),
	} {
		for _, a := range attacks {
			n++
			_, refused := verify(keys, a.token)
			require.NotNil(t, refused, a.name)
			require.Equal(t, protocol.CodeUnauthorized, refused.Code, a.name)
			require.Contains(t, refused.Message, a.says, a.name)
			require.NotContains(t, refused.Message, "canary", a.name)
		}
	}
	t.Logf("%d tokens were refused", n)
}

// boxed can be the key of a map.
type boxed struct{ Keys }

func attacksOnSecret(t *testing.T, k private) (all []attack) {
	hs := func(header map[string]any, claims jwt.MapClaims) string {
		return signed(t, jwt.SigningMethodHS256, []byte(secret), header, with(claims))
	}
	whole := hs(nil, jwt.MapClaims{"sub": "canary"})
	parts := strings.Split(whole, ".")
	for name, claims := range map[string]struct {
		claims jwt.MapClaims
		says   string
	}{
		"expired":                  {jwt.MapClaims{"exp": noon.Add(-31 * time.Second).Unix()}, "has expired"},
		"no expiry":                {jwt.MapClaims{"exp": nil}, "needs the claims"},
		"expiry a string":          {jwt.MapClaims{"exp": "99999999999"}, "numbers of seconds"},
		"expiry true":              {jwt.MapClaims{"exp": true}, "numbers of seconds"},
		"expiry zero":              {jwt.MapClaims{"exp": 0}, ""},
		"expiry negative":          {jwt.MapClaims{"exp": -5}, ""},
		"not yet valid":            {jwt.MapClaims{"nbf": noon.Add(31 * time.Second).Unix()}, "not valid yet"},
		"not before a string":      {jwt.MapClaims{"nbf": "0"}, "numbers of seconds"},
		"another issuer":           {jwt.MapClaims{"iss": "canary"}, "another issuer"},
		"no issuer":                {jwt.MapClaims{"iss": nil}, "needs the claims"},
		"issuer a list":            {jwt.MapClaims{"iss": []string{"issuer"}}, ""},
		"issuer with a space":      {jwt.MapClaims{"iss": "issuer "}, "another issuer"},
		"another audience":         {jwt.MapClaims{"aud": "canary"}, "another audience"},
		"no audience":              {jwt.MapClaims{"aud": nil}, "needs the claims"},
		"audience empty":           {jwt.MapClaims{"aud": []string{}}, ""},
		"audience a number":        {jwt.MapClaims{"aud": 5}, ""},
		"audience in another case": {jwt.MapClaims{"aud": "Gateway"}, "another audience"},
		"no user":                  {jwt.MapClaims{"sub": nil}, "sub must be"},
		"user empty":               {jwt.MapClaims{"sub": ""}, "sub must be"},
		"user a number":            {jwt.MapClaims{"sub": 5}, ""},
		"user a line":              {jwt.MapClaims{"sub": "canary\nline"}, "sub must be"},
		"user too long":            {jwt.MapClaims{"sub": strings.Repeat("x", 257)}, "sub must be"},
		"workspaces a list":        {jwt.MapClaims{"workspaces": []string{"w1"}}, "workspaces must be an object"},
		"a role that there is not": {jwt.MapClaims{"workspaces": map[string]any{"w1": "canary"}},
			"owner, admin or member"},
		"a role in another case": {jwt.MapClaims{"workspaces": map[string]any{"w1": "Owner"}},
			"owner, admin or member"},
		"a role true": {jwt.MapClaims{"workspaces": map[string]any{"w1": true}},
			"owner, admin or member"},
		"a workspace's role in app": {jwt.MapClaims{"apps": map[string]any{"a1": "owner"}},
			"creator, collaborator or viewer"},
		"a workspace twice": {jwt.MapClaims{"workspaces": map[string]any{"w1": "owner", "W1": "member"}}, "an id twice"},
		"apps a string":     {jwt.MapClaims{"apps": "creator"}, "apps must be an object"},
	} {
		all = append(all, attack{name, hs(nil, claims.claims), claims.says})
	}
	none := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none","typ":"JWT"}`))
	for name, header := range map[string]map[string]any{
		"crit":            {"crit": []string{"canary"}},
		"crit empty":      {"crit": []string{}},
		"another typ":     {"typ": "secevent+jwt"},
		"typ a number":    {"typ": 5},
		"algorithm HS512": {"alg": "HS512"},
		"algorithm None":  {"alg": "None"},
	} {
		all = append(all, attack{name, hs(header, nil), ""})
	}
	return append(
		all,
		attack{"signed by nobody", none + "." + parts[1] + ".", ""},
		attack{"signed by nobody, with a signature", none + "." + parts[1] + "." + parts[2], ""},
		attack{"without its signature", parts[0] + "." + parts[1] + ".", "signature"},
		attack{"of two parts", parts[0] + "." + parts[1], "malformed"},
		attack{"of four parts", whole + ".x", "malformed"},
		attack{
			"with another payload",
			parts[0] + "." + strings.Split(hs(nil, jwt.MapClaims{"sub": "root"}), ".")[1] +
				"." + parts[2],
			"signature",
		},
		attack{"with padding", whole + "==", ""},
		attack{"with a space", whole + " ", ""},
		attack{
			"of another secret",
			signed(t, jwt.SigningMethodHS256, []byte(strings.Repeat("x", 32)), nil, good()),
			"signature",
		},
		attack{
			"of the secret by HS384",
			signed(t, jwt.SigningMethodHS384, []byte(secret), nil, good()),
			"signature",
		},
		attack{"of a key", signed(t, jwt.SigningMethodRS256, k.rsa, nil, good()), "signature"},
		attack{"empty", "", "malformed"},
		attack{"dots", strings.Repeat(".", 100_000), "malformed"},
		attack{"text", "canary", "malformed"},
		attack{"no JSON", "eyJ.eyJ.x", "malformed"},
	)
}

func attacksOnKeys(t *testing.T, k private, public []byte) []attack {
	other := newPrivate(t)
	return []attack{
		{
			"HS256 with the public key's text as its secret",
			signed(t, jwt.SigningMethodHS256, public, nil, good()),
			"signature",
		},
		{"RS256 of another key", signed(t, jwt.SigningMethodRS256, other.rsa, nil, good()), "signature"},
		{"RS512 of the key", signed(t, jwt.SigningMethodRS512, k.rsa, nil, good()), "signature"},
		{"PS256 of the key", signed(t, jwt.SigningMethodPS256, k.rsa, nil, good()), "signature"},
		{"ES384", signed(t, jwt.SigningMethodES384, k.p384, nil, good()), "signature"},
		{"ES256 of another key", signed(t, jwt.SigningMethodES256, other.p256, nil, good()), "signature"},
		{"EdDSA of another key", signed(t, jwt.SigningMethodEdDSA, other.ed, nil, good()), "signature"},
		{"a key in its header", signed(t, jwt.SigningMethodES256, other.p256, map[string]any{
			"jwk": map[string]any{"kty": "EC"}, "jku": "http://127.0.0.1/keys", "x5u": "http://127.0.0.1/x",
		}, good()), "signature"},
		{"a key's id that is a path", signed(t, jwt.SigningMethodES256, other.p256, map[string]any{
			"kid": "../../etc/passwd",
		}, good()), "signature"},
	}
}

// TestKeysThatAreRefused: a file that must not be used is refused when the gateway starts.
func TestKeysThatAreRefused(t *testing.T) {
	k := newPrivate(t)
	der, err := x509.MarshalPKCS8PrivateKey(k.p256)
	require.NoError(t, err)
	for says, text := range map[string][]byte{
		"no key":                  []byte("hello"),
		"something else":          pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}),
		"cannot be read":          pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: []byte("x")}),
		"cannot be used":          pemOf(t, k.weak.Public()),
		"cannot be used: use RSA": pemOf(t, k.rsa.Public(), k.p384.Public()),
		"no set of keys":          []byte(`{"keys":5}`),
	} {
		_, err := ReadKeys(text)
		require.ErrorContains(t, err, says)
	}
	_, err = NewSecret([]byte(strings.Repeat("x", 31)))
	require.ErrorContains(t, err, "at least 32")
	_, err = NewSecret([]byte(strings.Repeat("x", 32)))
	require.NoError(t, err)
}

// TestClaimNames: claims may have other names, lie inside others, and be URLs.
func TestClaimNames(t *testing.T) {
	names := ClaimNames{
		User: "user.id", Name: "user.name", Workspaces: "https://example.com/workspaces", Apps: "meta.second.apps",
	}
	m := newJWT(secret, "issuer", "gateway", names, func() time.Time { return noon })
	p, refused := m.verify(
		t.Context(),
		signed(t, jwt.SigningMethodHS256, []byte(secret), nil, with(jwt.MapClaims{
			"user": map[string]any{
				"id":   "u2",
				"name": "Bo",
			}, "https://example.com/workspaces": map[string]any{"w": "owner"},
			"meta": map[string]any{"second": map[string]any{"apps": map[string]any{"a": "creator"}}},
		})),
	)
	require.Nil(t, refused)
	require.Equal(t, "u2", p.ID)
	require.Equal(t, "Bo", p.Name)
	require.Equal(t, map[string]string{"w": "owner"}, p.Roles.Workspaces)
	require.Equal(t, map[string]string{"a": "creator"}, p.Roles.Apps)
}

// TestCredentials: where a token is looked for, and where it must not be.
func TestCredentials(t *testing.T) {
	token := signed(t, jwt.SigningMethodHS256, []byte(secret), nil, good())
	m := newJWT(secret, "issuer", "gateway", DefaultClaims, func() time.Time { return noon })
	for _, c := range []struct {
		url    string
		header map[string][]string
		code   protocol.Code
	}{
		{"/", map[string][]string{"Authorization": {"Bearer " + token}}, ""},
		{"/", map[string][]string{"Authorization": {"bearer  " + token}}, ""},
		{"/", map[string][]string{"Sec-Websocket-Protocol": {"second.data.v1, second.bearer." + token}}, ""},
		{"/", map[string][]string{"Sec-Websocket-Protocol": {"second.data.v1", "second.bearer." + token}}, ""},
		{"/?cursor=eyJ&collection=a.b.c", map[string][]string{"Authorization": {"Bearer " + token}}, ""},
		{"/", nil, protocol.CodeIdentityRequired},
		{"/", map[string][]string{"Cookie": {"session=" + token}}, protocol.CodeIdentityRequired},
		{"/", map[string][]string{"Sec-Websocket-Protocol": {"second.data.v1"}}, protocol.CodeIdentityRequired},
		{"/", map[string][]string{"Sec-Websocket-Protocol": {"second.bearer."}}, protocol.CodeUnauthorized},
		{"/", map[string][]string{"Authorization": {""}}, protocol.CodeUnauthorized},
		{"/", map[string][]string{"Authorization": {"Bearer"}}, protocol.CodeUnauthorized},
		{"/", map[string][]string{"Authorization": {"Basic " + token}}, protocol.CodeUnauthorized},
		{"/", map[string][]string{"Authorization": {token}}, protocol.CodeUnauthorized},
		{"/", map[string][]string{"Authorization": {"Bearer " + token + "x"}}, protocol.CodeUnauthorized},
		{"/", map[string][]string{"Authorization": {"Bearer " + strings.Repeat("x", maxToken+1)}},
			protocol.CodeUnauthorized},
		{"/", map[string][]string{"Authorization": {"Bearer " + token, "Bearer " + token}},
			protocol.CodeInvalidMessage},
		{"/", map[string][]string{
			"Authorization": {"Bearer " + token}, "Sec-Websocket-Protocol": {"second.bearer." + token},
		}, protocol.CodeInvalidMessage},
		{"/?token=x", map[string][]string{"Authorization": {"Bearer " + token}}, protocol.CodeInvalidMessage},
		{"/?Access_Token=x", nil, protocol.CodeInvalidMessage},
		{"/?jwt=", nil, protocol.CodeInvalidMessage},
		{"/?cursor=" + token, nil, protocol.CodeInvalidMessage},
		{"/data/" + token, nil, protocol.CodeInvalidMessage},
	} {
		r := httptest.NewRequest("GET", c.url, nil)
		maps.Copy(r.Header, c.header)
		_, refused := m.Identify(r, protocol.Scope{})
		if c.code == "" {
			require.Nil(t, refused, "%s %v", c.url, c.header)
			continue
		}
		require.NotNil(t, refused, "%s %v", c.url, c.header)
		require.Equal(t, c.code, refused.Code, "%s %v", c.url, c.header)
		text, err := json.Marshal(refused)
		require.NoError(t, err)
		require.NotContains(t, string(text), token)
	}
}
