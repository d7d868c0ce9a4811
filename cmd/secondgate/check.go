package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/backends/mongodb"
	"github.com/secondgate/secondgate/backends/postgres"
	"github.com/secondgate/secondgate/backends/sqlite"
)

// checkTime is how long looking a database over may take.
const checkTime = 10 * time.Minute

// check is the command of that name. It changes nothing.
type check struct {
	Backend       string `help:"The database: sqlite:PATH, postgres://… or mongodb://…" default:"sqlite:./data/secondgate.db" secret:""`
	BackendDirect string `help:"URL of the same PostgreSQL without a pooler in between, for LISTEN." secret:""`
}

// Run prints a line for each finding, and fails if one of them does.
func (c *check) Run(ctx context.Context, parsed *kong.Context) error {
	ctx, cancel := context.WithTimeout(ctx, checkTime)
	defer cancel()
	findings := c.addresses()
	if findings != nil {
		printFindings(parsed.Stdout, findings)
		return errMend
	}
	switch scheme, path, _ := strings.Cut(c.Backend, ":"); {
	case scheme == "sqlite" && path != "":
		findings = sqlite.Check(ctx, strings.TrimPrefix(path, "//"))
	case isPostgres(scheme):
		findings = postgres.Check(ctx, c.Backend, c.BackendDirect)
	case isMongo(scheme):
		findings = mongodb.Check(ctx, c.Backend)
	}
	if printFindings(parsed.Stdout, findings) {
		return errMend
	}
	return nil
}

var errMend = errors.New("the database has to be mended first")

// addresses finds the addresses that no driver should be given.
func (c *check) addresses() (findings []backends.Finding) {
	fail := func(of string, err error) {
		if err != nil {
			findings = append(findings, backends.Finding{
				Level: backends.LevelFail, What: of + err.Error(), Fix: "correct the URL",
			})
		}
	}
	fail("", checkAddress(c.Backend))
	fail("of the direct connection: ", checkDirect(c.BackendDirect))
	return findings
}

func printFindings(w io.Writer, findings []backends.Finding) (failed bool) {
	for _, f := range findings {
		line := fmt.Sprintf("%-4s %s", f.Level, f.What)
		if f.Fix != "" {
			line += " -> " + f.Fix
		}
		fmt.Fprintln(w, strings.ReplaceAll(line, "\n", " "))
		failed = failed || f.Level == backends.LevelFail
	}
	return failed
}
