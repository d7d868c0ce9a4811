package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/backends/sqlite"
)

// check is the command of that name. It changes nothing.
type check struct {
	Backend string `help:"The database: sqlite:PATH." default:"sqlite:./data/secondgate.db" secret:""`
}

// Run prints a line for each finding, and fails if one of them does.
func (c *check) Run(ctx context.Context) error {
	scheme, path, _ := strings.Cut(c.Backend, ":")
	if scheme != "sqlite" || path == "" {
		return fmt.Errorf("the backend %q is not supported: write sqlite:PATH", redact(c.Backend))
	}
	findings := sqlite.Check(ctx, strings.TrimPrefix(path, "//"))
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
