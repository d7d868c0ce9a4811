// Command secondgate is the gateway: one binary that gives apps live collections over the database their owner
// already has.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"
)

// version is set by the build.
var version = "dev"

// commands is the command line.
type commands struct {
	Serve   serve            `cmd:"" help:"Serve a database to clients."`
	Version kong.VersionFlag `help:"Print the version and exit." short:"v" env:"-"`
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	parsed := kong.Parse(&commands{}, kong.Name("secondgate"), kong.Vars{"version": version},
		kong.Description("Live collections over the database you already have."),
		kong.DefaultEnvars("SECONDGATE"), kong.BindTo(ctx, (*context.Context)(nil)))
	if err := parsed.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "secondgate:", err)
		os.Exit(1)
	}
}
