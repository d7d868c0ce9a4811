package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/secondgate/secondgate/conformance/wire"
)

// rulesAtOnce is how many rules run beside each other: some of them do little but wait.
const rulesAtOnce = 8

// The exit statuses of the command beside 0.
const (
	statusBroken   = 1 // some rules do not hold
	statusNotTried = 2 // the rules could not be run
)

// conform is the command conformance.
type conform struct {
	URL       string   `help:"The gateway, such as http://127.0.0.1:8080." name:"url"`
	Workspace string   `help:"Workspace to write to. Every rule deletes what it wrote." default:"conformance"`
	App       string   `help:"App to write to. Without it each rule makes up one of its own."`
	Only      []string `help:"Rules to run, by their names. Without it all of them run." placeholder:"RULE"`
	List      bool     `help:"List the rules and run none."`
}

// failed ends the program with a status of its own.
type failed struct {
	status int
	error
}

// ExitCode implements kong.ExitCoder.
func (f failed) ExitCode() int { return f.status }

// Run prints a line for each rule, and fails if one does not hold or none can be tried.
func (c *conform) Run(ctx context.Context, parsed *kong.Context) error {
	rules, err := c.rules()
	if err != nil {
		return failed{statusNotTried, err}
	}
	if c.List {
		for _, r := range rules {
			fmt.Fprintf(parsed.Stdout, "%-*s  %s\n", widest(rules), r.ID, r.Says)
		}
		return nil
	}
	if !plainURL.MatchString(c.URL) {
		return failed{statusNotTried, badSetting(
			"the URL is not the base of a gateway: write --url http://HOST:PORT, without a user and a query")}
	}
	target := wire.Target{URL: strings.TrimSuffix(c.URL, "/"), Workspace: c.Workspace, App: c.App}
	if err := target.Reach(ctx); err != nil {
		return failed{statusNotTried, err}
	}
	return c.report(ctx, parsed.Stdout, target, rules)
}

func (c *conform) rules() (rules []wire.Rule, err error) {
	if len(c.Only) == 0 {
		return wire.Rules(), nil
	}
	for _, id := range c.Only {
		r, found := wire.Find(id)
		if !found {
			return nil, fmt.Errorf(
				"there is no rule %q: did you mean %q? --list has them all", id, nearest(id, ids(wire.Rules())),
			)
		}
		rules = append(rules, r)
	}
	return rules, nil
}

func (c *conform) report(ctx context.Context, w io.Writer, target wire.Target, rules []wire.Rule) error {
	broken, width, atOnce := 0, widest(rules), rulesAtOnce
	if target.App != "" {
		// In one app the rules are each other's traffic: a client that resumes after too much of it is reset.
		atOnce = 1
	}
	wire.Check(ctx, target, rules, atOnce, func(v wire.Verdict) {
		if len(v.Failures) == 0 {
			fmt.Fprintf(w, "ok    %-*s  %s\n", width, v.Rule.ID, v.Rule.Says)
			return
		}
		broken++
		fmt.Fprintf(w, "FAIL  %-*s  %s\n", width, v.Rule.ID, v.Rule.Says)
		for _, failure := range v.Failures {
			fmt.Fprintf(w, "      %s\n", strings.ReplaceAll(failure, "\n", "\n      "))
		}
		fmt.Fprintf(w, "      again: %s\n", c.again(target, v.Rule))
	})
	if ctx.Err() != nil {
		return failed{statusNotTried, ctx.Err()}
	}
	fmt.Fprintf(w, "%d rules: %d hold, %d do not\n", len(rules), len(rules)-broken, broken)
	if broken > 0 {
		return failed{
			statusBroken, fmt.Errorf("the gateway at %s breaks %d of %d rules", target.URL, broken, len(rules)),
		}
	}
	return nil
}

// again is how to run one rule once more.
func (c *conform) again(target wire.Target, r wire.Rule) string {
	command := "secondgate conformance --url " + target.URL + " --workspace " + target.Workspace
	if target.App != "" {
		command += " --app " + target.App
	}
	return command + " --only " + r.ID
}

func ids(rules []wire.Rule) (ids []string) {
	for _, r := range rules {
		ids = append(ids, r.ID)
	}
	return ids
}

func widest(rules []wire.Rule) (width int) {
	for _, r := range rules {
		width = max(width, len(r.ID))
	}
	return width
}
