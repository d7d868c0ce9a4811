package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/MicahParks/jwkset"
	"github.com/alecthomas/kong"
	"github.com/golang-jwt/jwt/v5"
)

// token is the command of that name.
type token struct {
	Issue  tokenIssue  `cmd:"" default:"withargs" help:"Print a token."`
	Revoke tokenRevoke `cmd:"" help:"Have the gateways of a database refuse a user's tokens, or one token, before they expire."`
	Agent  tokenAgent  `cmd:"" help:"Print a token with which an agent speaks MCP."`
	Keys   tokenKeys   `cmd:"" help:"Make a key pair: the private key goes to a file, its public half (JWKS) to standard output."`
}

// tokenIssue prints a token that a gateway with the same flags takes.
type tokenIssue struct {
	signing   `embed:""`
	User      string        `help:"Id of the user." required:""`
	Name      string        `help:"Name of the user, for people."`
	Workspace []string      `help:"Role in a workspace, as ID:owner, ID:admin or ID:member." placeholder:"ID:ROLE"`
	App       []string      `help:"Role in an app, as ID:creator, ID:collaborator or ID:viewer." placeholder:"ID:ROLE"`
	For       time.Duration `help:"How long the token holds." default:"1h"`
}

// signing is what a token is signed with.
type signing struct {
	tokens        `embed:""`
	JWTPrivateKey string `name:"jwt-private-key" help:"File with the private key (PEM), as token keys makes it." placeholder:"FILE"`
}

// check fails on flags that sign no token.
func (c *signing) check() error {
	switch {
	case (c.JWTSecretFile == "") == (c.JWTPrivateKey == ""):
		return badSetting("a token needs either --jwt-secret-file or --jwt-private-key to be signed with")
	case c.JWTIssuer == "" || c.JWTAudience == "":
		return badSetting("a token needs --jwt-issuer and --jwt-audience, as the gateway has them")
	}
	return nil
}

// AfterApply fails on flags that make no token.
func (c *tokenIssue) AfterApply() error {
	if c.For <= 0 {
		return badSetting("--for is %v: it must be more than 0s, such as 1h", c.For)
	}
	return c.check()
}

// Run prints the token and nothing else.
func (c *tokenIssue) Run(parsed *kong.Context) error {
	workspaces, err := rolesOf("--workspace", c.Workspace, "owner", "admin", "member")
	if err != nil {
		return err
	}
	apps, err := rolesOf("--app", c.App, "creator", "collaborator", "viewer")
	if err != nil {
		return err
	}
	now := time.Now()
	claims := jwt.MapClaims{
		"iss": c.JWTIssuer, "aud": c.JWTAudience, "iat": now.Unix(), "exp": now.Add(c.For).Unix(),
		"jti": rand.Text(),
	}
	setClaim(claims, c.JWTUser, c.User)
	setClaim(claims, c.JWTWorkspaces, workspaces)
	setClaim(claims, c.JWTApps, apps)
	if c.Name != "" {
		setClaim(claims, c.JWTName, c.Name)
	}
	text, err := c.sign("", claims)
	if err == nil {
		_, err = fmt.Fprintln(parsed.Stdout, text)
	}
	return err
}

// rolesOf reads ID:ROLE pairs.
func rolesOf(flag string, pairs []string, roles ...string) (map[string]any, error) {
	all := map[string]any{}
	for _, pair := range pairs {
		id, role, _ := strings.Cut(pair, ":")
		if id == "" || !slices.Contains(roles, role) {
			return nil, badSetting("a value of %s cannot be used: write ID:ROLE, the role being %s", flag,
				strings.Join(roles, ", "))
		}
		all[id] = role
	}
	return all, nil
}

// setClaim sets a claim by its name, or inside others.
func setClaim(claims map[string]any, name string, value any) {
	first, rest, nested := strings.Cut(name, ".")
	if !nested || strings.Contains(name, "/") { // a URL is a name of its own
		claims[name] = value
		return
	}
	inside, ok := claims[first].(map[string]any)
	if !ok {
		inside = map[string]any{}
		claims[first] = inside
	}
	setClaim(inside, rest, value)
}

// sign signs the claims of a token of a kind.
func (c *signing) sign(kind string, claims jwt.MapClaims) (string, error) {
	if c.JWTSecretFile != "" {
		secret, err := c.secret()
		if err != nil {
			return "", err
		}
		return signed(jwt.NewWithClaims(jwt.SigningMethodHS256, claims), kind, []byte(secret))
	}
	key, method, err := readPrivateKey(c.JWTPrivateKey)
	if err != nil {
		return "", err
	}
	t := jwt.NewWithClaims(method, claims)
	if t.Header["kid"], err = keyID(key.Public()); err != nil {
		return "", err
	}
	return signed(t, kind, key)
}

// signed signs a token of a kind, empty for people's.
func signed(t *jwt.Token, kind string, key any) (string, error) {
	if kind != "" {
		t.Header["typ"] = kind
	}
	return t.SignedString(key)
}

func readPrivateKey(file string) (crypto.Signer, jwt.SigningMethod, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, nil, badSetting("the file of --jwt-private-key cannot be read: %s", reason(err))
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, nil, badSetting("the file of --jwt-private-key holds no PEM")
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, nil, badSetting("the file of --jwt-private-key holds no private key in PKCS #8")
	}
	switch k := key.(type) {
	case *ecdsa.PrivateKey:
		if k.Curve == elliptic.P256() {
			return k, jwt.SigningMethodES256, nil
		}
	case *rsa.PrivateKey:
		return k, jwt.SigningMethodRS256, nil
	case ed25519.PrivateKey:
		return k, jwt.SigningMethodEdDSA, nil
	}
	return nil, nil, badSetting(
		"the key of --jwt-private-key cannot be used: use ECDSA on P-256, RSA or Ed25519",
	)
}

// keyID is a fingerprint of a public key.
func keyID(public crypto.PublicKey) (string, error) {
	der, err := x509.MarshalPKIXPublicKey(public)
	sum := sha256.Sum256(der)
	return base64.RawURLEncoding.EncodeToString(sum[:9]), err
}

// tokenKeys makes a key pair.
type tokenKeys struct {
	Out string `help:"File for the private key; it must not exist." default:"secondgate.key" placeholder:"FILE"`
}

// Run writes the private key for its owner's eyes only, and prints the public one as a JWKS.
func (c *tokenKeys) Run(parsed *kong.Context) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	set, err := publicSet(key.Public())
	if err != nil {
		return err
	}
	f, err := os.OpenFile(c.Out, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return badSetting("%s exists: name another file with --out", c.Out)
	}
	if err != nil {
		return badSetting("the file of --out cannot be written: %s", reason(err))
	}
	err = errors.Join(pem.Encode(f, &pem.Block{Type: "PRIVATE KEY", Bytes: der}), f.Close())
	if err == nil {
		err = printSet(parsed.Stdout, set)
	}
	return err
}

func publicSet(public crypto.PublicKey) (set jwkset.JWKSMarshal, err error) {
	id, err := keyID(public)
	if err != nil {
		return set, err
	}
	key, err := jwkset.NewJWKFromKey(public, jwkset.JWKOptions{
		Metadata: jwkset.JWKMetadataOptions{ALG: jwkset.AlgES256, KID: id, USE: jwkset.UseSig},
	})
	if err != nil {
		return set, err
	}
	set.Keys = []jwkset.JWKMarshal{key.Marshal()}
	return set, nil
}

func printSet(out io.Writer, set jwkset.JWKSMarshal) error {
	encoder := json.NewEncoder(out)
	encoder.SetIndent("", "  ")
	return encoder.Encode(set)
}
