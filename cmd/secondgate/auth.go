package main

import (
	"context"
	"log/slog"
	"net/url"
	"os"
	"strings"

	"github.com/secondgate/secondgate/gateway/access"
)

// auth is who may do what. Its flags are serve's; those about tokens are also those of the command token.
type auth struct {
	Auth        string `help:"Who may connect: none (everybody, for local use), jwt (signed tokens), forward=URL (a hook of yours says) or second=URL (a web app of Second says)." default:"none" placeholder:"MODE"`
	JWTKeys     string `name:"jwt-keys" help:"Public keys of tokens: a file (PEM or JWKS) or the URL of a JWKS." placeholder:"FILE|URL"`
	AuthPrivate bool   `help:"The hosts that --auth and --jwt-keys name may have private addresses."`
}

// tokens is what a token says and how it is signed with a shared secret.
type tokens struct {
	JWTSecretFile string `name:"jwt-secret-file" help:"File with the secret of tokens signed with HS256: at least 32 bytes." placeholder:"FILE"`
	JWTIssuer     string `name:"jwt-issuer" help:"Who signs the tokens: their claim iss."`
	JWTAudience   string `name:"jwt-audience" help:"Whom the tokens are for: their claim aud."`
	JWTUser       string `name:"jwt-user" help:"Claim with the user's id." default:"sub"`
	JWTName       string `name:"jwt-name" help:"Claim with the user's name." default:"name"`
	JWTWorkspaces string `name:"jwt-workspaces" help:"Claim with the user's roles by workspace: owner, admin or member." default:"workspaces"`
	JWTApps       string `name:"jwt-apps" help:"Claim with the user's roles by app: creator, collaborator or viewer." default:"apps"`
}

func (t *tokens) claims() access.ClaimNames {
	return access.ClaimNames{User: t.JWTUser, Name: t.JWTName, Workspaces: t.JWTWorkspaces, Apps: t.JWTApps}
}

// secret reads the shared secret.
func (t *tokens) secret() (access.Secret, error) {
	return readSecret("--jwt-secret-file", t.JWTSecretFile)
}

// readSecret reads the file of a flag. A line's end behind the secret is no part of it.
func readSecret(flag, file string) (access.Secret, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, badSetting("the file of %s cannot be read: %s", flag, reason(err))
	}
	secret, err := access.NewSecret([]byte(strings.TrimRight(string(text), "\r\n")))
	if err != nil {
		return nil, badSetting("%s: %s", flag, err)
	}
	return secret, nil
}

// checkAuth fails on settings that do not go together.
func (c *serve) checkAuth() error {
	mode, target, _ := strings.Cut(c.Auth, "=")
	aboutTokens := c.JWTSecretFile != "" || c.JWTKeys != "" || c.JWTIssuer != "" || c.JWTAudience != ""
	switch mode {
	case "jwt":
		return c.checkJWT(target)
	case "none", "forward", "second":
		if aboutTokens {
			return badSetting("the flags --jwt-… are for --auth jwt")
		}
	default:
		return badSetting("the value of --auth is no mode: write none, jwt, forward=URL or second=URL")
	}
	if mode == "none" {
		if target != "" {
			return badSetting("--auth none takes no URL")
		}
		return nil
	}
	_, err := hookURL(target)
	return err
}

func (c *serve) checkJWT(target string) error {
	switch {
	case target != "":
		return badSetting("--auth jwt takes no URL: name the keys with --jwt-keys")
	case (c.JWTSecretFile == "") == (c.JWTKeys == ""):
		return badSetting("--auth jwt needs either --jwt-secret-file or --jwt-keys")
	case c.JWTIssuer == "" || c.JWTAudience == "":
		return badSetting(
			"--auth jwt needs --jwt-issuer and --jwt-audience: tokens for something else must not count",
		)
	}
	if c.JWTSecretFile == "" {
		return nil
	}
	// The file is read before any setting is logged: somebody may have put the secret itself there.
	_, err := c.secret()
	return err
}

// hookURL is the URL of a web app that is asked.
func hookURL(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.User != nil ||
		u.Fragment != "" {
		return nil, badSetting("the URL behind --auth forward= or second= cannot be used: write one such as " +
			"http://127.0.0.1:3000/access, without a password")
	}
	return u, nil
}

// mode makes the access mode. Keys of a URL are kept fresh until ctx ends.
func (c *serve) mode(ctx context.Context) (access.Mode, error) {
	mode, target, _ := strings.Cut(c.Auth, "=")
	switch mode {
	case "jwt":
		keys, err := c.keys(ctx)
		if err != nil {
			return nil, err
		}
		return access.NewJWT(keys, c.JWTIssuer, c.JWTAudience, c.claims()), nil
	case "forward", "second":
		u, err := hookURL(target)
		if err != nil {
			return nil, err
		}
		if mode == "second" {
			return access.NewSecond(u, c.AuthPrivate, slog.Default()), nil
		}
		return access.NewForward(u, c.AuthPrivate, slog.Default()), nil
	}
	return access.None{}, nil
}

func (c *serve) keys(ctx context.Context) (access.Keys, error) {
	if c.JWTSecretFile != "" {
		return c.secret()
	}
	if u, err := url.Parse(c.JWTKeys); err == nil && u.Host != "" &&
		(u.Scheme == "https" || u.Scheme == "http") {
		return access.FetchJWKS(ctx, u, c.AuthPrivate, slog.Default())
	}
	text, err := os.ReadFile(c.JWTKeys)
	if err != nil {
		return nil, badSetting("the file of --jwt-keys cannot be read: %s", reason(err))
	}
	keys, err := access.ReadKeys(text)
	if err != nil {
		return nil, badSetting("--jwt-keys: %s", err)
	}
	return keys, nil
}

// isOpen reports whether others than the local owner may do everything.
func (c *serve) isOpen() bool { return c.Auth == "none" && c.NonLoopback }

// warnNobody says what it means that nobody is asked who they are.
func (c *serve) warnNobody() {
	if c.isOpen() {
		slog.Warn("everybody who reaches this address may read and change everything: see docs/security.md",
			"auth", "none", "listen", c.Listen)
	}
}
