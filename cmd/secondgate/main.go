// Command secondgate is the gateway: one binary that gives apps live collections over the database
// their owner already has.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"
)

// version is set by the build.
var version = "dev"

// commands is the command line. Every flag can be set in the environment and in a file too: see
// configFile.
type commands struct {
	Config      string           `help:"JSON file that sets flags by their names; the command line and the environment override it." placeholder:"FILE" type:"path"`
	Serve       serve            `cmd:"" help:"Serve a database to clients."`
	Check       check            `cmd:"" help:"Report what would go wrong with a database, and how to mend it."`
	Healthcheck healthcheck      `cmd:"" help:"Ask a running gateway whether it is ready: exit status 0 if so."`
	Conformance conform          `cmd:"" help:"Hold a running gateway to the protocol's rules: exit status 0 if all hold, 1 if not, 2 if they could not be tried."`
	Audit       auditCommand     `cmd:"" help:"Look after the audit trail."`
	Token       token            `cmd:"" help:"Print a token for --auth jwt, revoke tokens, or make a key pair for them."`
	Agents      agentsCommand    `cmd:"" help:"Hash, submit, approve, publish or show an app's agents.json."`
	Version     kong.VersionFlag `help:"Print the version and exit." short:"v" env:"-"`
}

func newParser(c *commands, options ...kong.Option) (*kong.Kong, error) {
	return kong.New(c, append([]kong.Option{
		kong.Name("secondgate"), kong.Vars{"version": version},
		kong.Description("Live collections over the database you already have."),
		kong.DefaultEnvars(envPrefix), kong.Resolvers(&configFile{}),
	}, options...)...)
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // the next signal ends the process at once
	os.Exit(execute(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// execute runs a command line until it is done, or ctx ends. It returns the exit status.
func execute(ctx context.Context, args []string, stdout, stderr io.Writer) (status int) {
	parser, err := newParser(
		&commands{}, kong.BindTo(ctx, (*context.Context)(nil)), kong.Writers(stdout, stderr),
	)
	if err != nil {
		panic(err) // a defect of the struct above
	}
	parsed, err := parseArgs(parser, args)
	if err != nil {
		fmt.Fprintln(stderr, "secondgate: error:", err)
		return statusUsage
	}
	if err := parsed.Run(); err != nil {
		fmt.Fprintln(stderr, "secondgate:", err)
		return statusOf(err)
	}
	return 0
}

// statusUsage is the exit status for a command line that makes no sense.
const statusUsage = 2

// statusOf is the exit status that an error asks for.
func statusOf(err error) int {
	var coded kong.ExitCoder
	if errors.As(err, &coded) {
		return coded.ExitCode()
	}
	return 1
}
