package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"github.com/secondgate/secondgate/gateway/access"
)

// tokenRevoke has the gateways of a database refuse tokens that are still good by themselves.
type tokenRevoke struct {
	Backend       string        `help:"The gateways' database: sqlite:PATH, postgres://… or mongodb://…" default:"sqlite:./data/secondgate.db" secret:""`
	BackendDirect string        `help:"URL of the same PostgreSQL without a pooler in between." secret:""`
	User          string        `help:"Id of the user whose tokens from before now are refused."`
	ID            string        `name:"id" help:"Id (jti) of the token that is refused."`
	For           time.Duration `help:"How long: until the last token from before has expired by itself." default:"720h"`
}

// AfterApply fails on flags that name no token.
func (c *tokenRevoke) AfterApply() error {
	switch {
	case (c.User == "") == (c.ID == ""):
		return badSetting("name what to revoke, with either --user or --id")
	case c.For <= 0:
		return badSetting("--for is %v: it must be more than 0s, such as 720h", c.For)
	}
	if err := checkAddress(c.Backend); err != nil {
		return err
	}
	return checkDirect(c.BackendDirect)
}

// keepAll is a retention with which nothing is cleaned up: how long to keep it is for the gateways to say.
const keepAll = 10 * 365 * 24 * time.Hour

// Run writes the revocation. Gateways read it by themselves.
func (c *tokenRevoke) Run(ctx context.Context, parsed *kong.Context) (err error) {
	if err := c.exists(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, openTime)
	defer cancel()
	database := serve{Backend: c.Backend, BackendDirect: c.BackendDirect, Retention: keepAll}
	backend, err := database.openBackend(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, backend.Close()) }()
	if c.User != "" {
		err = access.RevokeUser(ctx, backend, c.User, c.For)
	} else {
		err = access.RevokeToken(ctx, backend, c.ID, c.For)
	}
	if err == nil {
		_, err = fmt.Fprintf(parsed.Stdout, "revoked at %s: every gateway of it knows within 10s\n",
			redact(c.Backend))
	}
	return err
}

// exists fails where there is no SQLite file. A mistyped path would make one, and revoke nothing.
func (c *tokenRevoke) exists() error {
	path, isFile := strings.CutPrefix(c.Backend, "sqlite:")
	if !isFile {
		return nil
	}
	_, err := os.Stat(strings.TrimPrefix(path, "//"))
	if errors.Is(err, fs.ErrNotExist) {
		return badSetting("there is no such SQLite file: name the one that the gateways serve")
	}
	return nil
}
