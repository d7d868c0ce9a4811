package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

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
func (c *check) Run(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, checkTime)
	defer cancel()
	var findings []backends.Finding
	switch scheme, path, _ := strings.Cut(c.Backend, ":"); {
	case scheme == "sqlite" && path != "":
		findings = sqlite.Check(ctx, strings.TrimPrefix(path, "//"))
	case isPostgres(scheme):
		findings = postgres.Check(ctx, c.Backend, c.BackendDirect)
	case isMongo(scheme):
		findings = mongodb.Check(ctx, c.Backend)
	default:
		return unsupported(c.Backend)
	}
	if printFindings(os.Stdout, findings) {
		return errors.New("the database has to be mended first")
	}
	return nil
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
