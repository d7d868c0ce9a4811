package access

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/MicahParks/jwkset"
	"github.com/MicahParks/keyfunc/v3"
	"github.com/golang-jwt/jwt/v5"
	"golang.org/x/time/rate"

	"github.com/secondgate/secondgate/protocol"
)

const (
	// leastSecret is how long a shared secret is at least, in bytes (RFC 7518 §3.2), leastRSA how long a
	// key of RSA, in bits (§3.3).
	leastSecret, leastRSA = 32, 2048
	// keysInterval is how often keys are fetched. A key that was withdrawn is refused after that at the
	// latest. unknownKeyInterval is the least time between two fetches for tokens that name unknown keys.
	keysInterval, unknownKeyInterval = 45 * time.Second, 10 * time.Second
	keysTime                         = 5 * time.Second // for one fetch
)

// Keys verify signatures. The type of a key fixes the algorithm.
type Keys interface {
	// algorithms are those that the keys may have.
	algorithms() []string
	// find returns the keys that a token may be signed with.
	find(ctx context.Context, t *jwt.Token) (any, error)
}

// Secret is a shared secret: HS256.
type Secret []byte

// NewSecret fails on a secret that can be guessed.
func NewSecret(text []byte) (Secret, error) {
	if len(text) < leastSecret {
		return nil, fmt.Errorf(
			"the secret has %d bytes; it needs at least %d, such as from: openssl rand -base64 32",
			len(text),
			leastSecret,
		)
	}
	return Secret(text), nil
}

func (s Secret) algorithms() []string                          { return []string{"HS256"} }
func (s Secret) find(context.Context, *jwt.Token) (any, error) { return []byte(s), nil }

// publicAlgorithms are those of keys whose other half signs.
var publicAlgorithms = []string{"RS256", "ES256", "EdDSA"}

// algorithmOf is the algorithm of a key, empty for a key that must not be used.
func algorithmOf(key any) string {
	switch k := key.(type) {
	case *rsa.PublicKey:
		if k.N.BitLen() >= leastRSA {
			return "RS256"
		}
	case *ecdsa.PublicKey:
		if k.Curve == elliptic.P256() {
			return "ES256"
		}
	case ed25519.PublicKey:
		return "EdDSA"
	}
	return ""
}

const goodKeys = "use RSA of at least 2048 bits, ECDSA on P-256, or Ed25519"

// PEM are the keys of a file.
type PEM []any

// NewPEM reads public keys and certificates.
func NewPEM(text []byte) (keys PEM, err error) {
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		var key any
		switch block.Type {
		case "PUBLIC KEY":
			key, err = x509.ParsePKIXPublicKey(block.Bytes)
		case "RSA PUBLIC KEY":
			key, err = x509.ParsePKCS1PublicKey(block.Bytes)
		case "CERTIFICATE":
			var c *x509.Certificate
			if c, err = x509.ParseCertificate(block.Bytes); err == nil {
				key = c.PublicKey
			}
		default:
			return nil, errors.New("it holds something else than public keys: a gateway needs no private key")
		}
		if err != nil {
			return nil, errors.New("a key in it cannot be read")
		}
		if algorithmOf(key) == "" {
			return nil, errors.New("a key in it cannot be used: " + goodKeys)
		}
		keys = append(keys, key)
	}
	if len(keys) == 0 {
		return nil, errors.New("there is no key in it")
	}
	return keys, nil
}

func (k PEM) algorithms() []string { return publicAlgorithms }

func (k PEM) find(_ context.Context, t *jwt.Token) (any, error) {
	var set jwt.VerificationKeySet
	for _, key := range k {
		if algorithmOf(key) == t.Method.Alg() {
			set.Keys = append(set.Keys, key)
		}
	}
	return set, nil
}

// JWKS is a set of keys by their ids (RFC 7517), from a file or a URL.
type JWKS struct {
	set keyfunc.Keyfunc
	// unknown bounds the fetches for keys that are not in the set; nil for a file. The library's own limit
	// would be the time of the fetch too.
	unknown *rate.Limiter
}

// NewJWKS reads the text of a set.
func NewJWKS(text []byte) (*JWKS, error) {
	set, err := keyfunc.NewJWKSetJSON(text)
	if err != nil {
		return nil, errors.New("it is no set of keys (JWKS)")
	}
	return &JWKS{set: set}, nil
}

// ReadKeys reads a file of keys: PEM or a JWKS.
func ReadKeys(text []byte) (Keys, error) {
	if strings.HasPrefix(strings.TrimSpace(string(text)), "{") {
		return NewJWKS(text)
	}
	return NewPEM(text)
}

// FetchJWKS keeps a set that a URL names fresh until ctx ends. A URL that does not answer yet is tried again.
func FetchJWKS(ctx context.Context, u *url.URL, private bool, log *slog.Logger) (*JWKS, error) {
	set, err := keyfunc.NewDefaultOverrideCtx(ctx, []string{u.String()}, keyfunc.Override{
		Client: Client(u, private, keysTime), HTTPTimeout: keysTime, RefreshInterval: keysInterval,
		RateLimitWaitMax: keysTime, RefreshUnknownKID: rate.NewLimiter(rate.Inf, 1),
		RefreshErrorHandlerFunc: func(string) func(context.Context, error) {
			return func(_ context.Context, err error) {
				log.Warn("the keys for tokens cannot be fetched; those from before are used", "error", err)
			}
		},
	})
	if err != nil {
		return nil, err
	}
	return &JWKS{set: set, unknown: rate.NewLimiter(rate.Every(unknownKeyInterval), 1)}, nil
}

func (k *JWKS) algorithms() []string { return publicAlgorithms }

func (k *JWKS) find(ctx context.Context, t *jwt.Token) (any, error) {
	id, _ := t.Header["kid"].(string)
	if id == "" || k.unknown != nil && !k.knows(ctx, id) && !k.unknown.Allow() {
		return nil, k.noKey(ctx)
	}
	key, err := k.set.KeyfuncCtx(ctx)(t)
	if err != nil {
		return nil, k.noKey(ctx)
	}
	if algorithmOf(key) != t.Method.Alg() {
		return nil, jwt.ErrTokenSignatureInvalid
	}
	return key, nil
}

// keys are those that there are without a fetch.
func (k *JWKS) keys(ctx context.Context) []jwkset.JWK {
	keys, _ := k.set.Storage().KeyReadAll(ctx) // it reads memory
	return keys
}

func (k *JWKS) knows(ctx context.Context, id string) bool {
	return slices.ContainsFunc(k.keys(ctx), func(key jwkset.JWK) bool { return key.Marshal().KID == id })
}

// noKey is why a token cannot be checked. Without any key nobody can say whether it is good.
func (k *JWKS) noKey(ctx context.Context) error {
	if k.unknown != nil && len(k.keys(ctx)) == 0 {
		return protocol.Errorf(protocol.CodeUnavailable,
			"the keys that tokens are checked with cannot be had for the moment: try again")
	}
	return jwt.ErrTokenSignatureInvalid
}
