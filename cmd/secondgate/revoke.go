package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/gateway/access"
	"github.com/secondgate/secondgate/gateway/audit"
)

// databaseFlags are of commands that work on a database beside its gateways.
type databaseFlags struct {
	Backend       string `help:"The gateways' database: sqlite:PATH, postgres://… or mongodb://…" default:"sqlite:./data/secondgate.db" secret:""`
	BackendDirect string `help:"URL of the same PostgreSQL without a pooler in between." secret:""`
}

// AfterApply fails on addresses of no database.
func (d *databaseFlags) AfterApply() error {
	if err := checkAddress(d.Backend); err != nil {
		return err
	}
	return checkDirect(d.BackendDirect)
}

// keepAll is a retention with which nothing is cleaned up: how long to keep it is for the gateways to say.
const keepAll = 10 * 365 * 24 * time.Hour

// open opens the database. It fails where there is no SQLite file: a mistyped path would make one.
func (d *databaseFlags) open(ctx context.Context) (backends.Backend, error) {
	if err := d.exists(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, openTime)
	defer cancel()
	s := serve{Backend: d.Backend, BackendDirect: d.BackendDirect, Retention: keepAll}
	return s.openBackend(ctx, nil)
}

// exists fails where there is no SQLite file.
func (d *databaseFlags) exists() error {
	path, isFile := strings.CutPrefix(d.Backend, "sqlite:")
	if !isFile {
		return nil
	}
	_, err := os.Stat(strings.TrimPrefix(path, "//"))
	if errors.Is(err, fs.ErrNotExist) {
		return badSetting("there is no such SQLite file: name the one that the gateways serve")
	}
	return nil
}

// tokenRevoke has the gateways of a database refuse tokens that are still good by themselves.
type tokenRevoke struct {
	databaseFlags `embed:""`
	trail         `embed:""`
	User          string        `help:"Id of the user whose tokens from before now are refused."`
	ID            string        `name:"id" help:"Id (jti) of the token that is refused."`
	For           time.Duration `help:"How long: until the last token from before has expired by itself." default:"720h"`
	Workspace     []string      `help:"Workspace whose audit trail tells of it."`
}

// AfterApply fails on flags that name no token.
func (c *tokenRevoke) AfterApply() error {
	switch {
	case (c.User == "") == (c.ID == ""):
		return badSetting("name what to revoke, with either --user or --id")
	case c.For <= 0:
		return badSetting("--for is %v: it must be more than 0s, such as 720h", c.For)
	}
	if err := c.checkTrail(); err != nil {
		return err
	}
	return c.databaseFlags.AfterApply()
}

// Run writes the revocation. Gateways read it by themselves.
func (c *tokenRevoke) Run(ctx context.Context, parsed *kong.Context) (err error) {
	backend, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, backend.Close()) }()
	ctx, cancel := context.WithTimeout(ctx, openTime)
	defer cancel()
	if c.User != "" {
		err = access.RevokeUser(ctx, backend, c.User, c.For)
	} else {
		err = access.RevokeToken(ctx, backend, c.ID, c.For)
	}
	if err != nil {
		return err
	}
	if err := c.tell(ctx, backend); err != nil {
		return fmt.Errorf("the tokens are revoked, but the audit trail does not tell of it: %w", err)
	}
	_, err = fmt.Fprintf(parsed.Stdout, "revoked at %s: every gateway of it knows within 10s\n",
		redact(c.Backend))
	return err
}

// tell leaves a row in the audit trails that it is for; without any, in that of no workspace.
func (c *tokenRevoke) tell(ctx context.Context, ledger backends.Ledger) error {
	t := audit.New(ledger, c.trail.config(), slog.Default())
	for _, workspace := range append(c.Workspace, "")[:max(len(c.Workspace), 1)] {
		if err := t.Add(ctx, audit.TokenRevoked(workspace, c.User, c.ID, c.For)); err != nil {
			return err
		}
	}
	return nil
}
