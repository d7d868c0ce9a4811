package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/alecthomas/kong"

	"github.com/secondgate/secondgate/gateway"
	"github.com/secondgate/secondgate/gateway/access"
	"github.com/secondgate/secondgate/gateway/approvals"
	"github.com/secondgate/secondgate/protocol"
)

// agentsCommand is the command agents.
type agentsCommand struct {
	Hash    agentsHash    `cmd:"" help:"Print the hash of an agents.json."`
	Submit  agentsSubmit  `cmd:"" help:"Save an agents.json into an app's draft."`
	Approve agentsApprove `cmd:"" help:"Approve the draft's agents.json, or the file that is named."`
	Publish agentsPublish `cmd:"" help:"Approve the draft's agents.json and publish it."`
	Show    agentsShow    `cmd:"" help:"Print what an app's agents.json is, and who approved it."`
	Undo    agentsUndo    `cmd:"" help:"Undo what a run or a call of an agent wrote, by its change set."`
}

// agentsHash prints a hash, and nothing else.
type agentsHash struct {
	File string `arg:"" help:"The file; - for standard input."`
}

// Run prints the hash.
func (c *agentsHash) Run(parsed *kong.Context) error {
	m, err := readManifest(c.File)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(parsed.Stdout, m.Hash())
	return err
}

// readManifest reads a file, or standard input for -.
func readManifest(file string) (*approvals.Manifest, error) {
	in := io.Reader(os.Stdin)
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return nil, badSetting("the file cannot be read: %s", reason(err))
		}
		defer f.Close()
		in = f
	}
	text, err := io.ReadAll(io.LimitReader(in, approvals.MaxManifest+1))
	switch {
	case err != nil:
		return nil, badSetting("the file cannot be read: %s", reason(err))
	case len(text) > approvals.MaxManifest:
		return nil, badSetting("the file is over %d bytes", approvals.MaxManifest)
	}
	m, err := approvals.ParseManifest(string(text))
	if err != nil {
		return nil, badSetting("%s", err)
	}
	return m, nil
}

// appFlags name an app in a database.
type appFlags struct {
	databaseFlags `embed:""`
	Workspace     string `help:"Id of the workspace." required:""`
	App           string `help:"Id of the app." required:""`
}

// AfterApply fails on flags that name no app.
func (c *appFlags) AfterApply() error {
	if _, err := protocol.ParseScope(c.Workspace, c.App, ""); err != nil {
		return badSetting("%s", err)
	}
	return c.databaseFlags.AfterApply()
}

// undoTime bounds what a command does, an undo of many documents included.
const undoTime = 5 * time.Minute

// with has the database's operator do something with the app's agents.json.
func (c *appFlags) with(
	ctx context.Context, do func(context.Context, *gateway.Gateway, access.Principal, protocol.Scope) *protocol.Error,
) (err error) {
	scope, err := protocol.ParseScope(c.Workspace, c.App, "")
	if err != nil {
		return err
	}
	backend, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, backend.Close()) }()
	ctx, cancel := context.WithTimeout(ctx, undoTime)
	defer cancel()
	config := gateway.DefaultConfig()
	config.Hosts = []string{"-"} // it serves nobody
	g, err := gateway.New(ctx, backend, config)
	if err != nil {
		return err
	}
	defer g.Shutdown(ctx)
	if refused := do(ctx, g, access.Operator(), scope); refused != nil {
		return refused
	}
	return nil
}

// agentsSubmit saves a file.
type agentsSubmit struct {
	appFlags `embed:""`
	File     string `arg:"" help:"The file; - for standard input."`
}

// Run saves the file and prints its hash.
func (c *agentsSubmit) Run(ctx context.Context, parsed *kong.Context) error {
	m, err := readManifest(c.File)
	if err != nil {
		return err
	}
	err = c.with(ctx, func(
		ctx context.Context, g *gateway.Gateway, p access.Principal, s protocol.Scope,
	) *protocol.Error {
		return g.Approvals().Save(ctx, p, s, m)
	})
	return printHash(parsed, err, "saved", m.Hash())
}

func printHash(parsed *kong.Context, err error, what, hash string) error {
	if err != nil {
		return err
	}
	if hash == "" {
		hash = "no agents.json"
	}
	_, err = fmt.Fprintf(parsed.Stdout, "%s %s\n", what, hash)
	return err
}

// agentsApprove approves for the draft.
type agentsApprove struct {
	appFlags `embed:""`
	File     string `arg:"" optional:"" help:"The file to approve in place of the draft's; - for standard input."`
}

// Run approves and prints the hash.
func (c *agentsApprove) Run(ctx context.Context, parsed *kong.Context) (err error) {
	var m *approvals.Manifest
	if c.File != "" {
		if m, err = readManifest(c.File); err != nil {
			return err
		}
	}
	var hash string
	err = c.with(ctx, func(
		ctx context.Context, g *gateway.Gateway, p access.Principal, s protocol.Scope,
	) (refused *protocol.Error) {
		hash, refused = g.Approvals().Approve(ctx, p, s, m)
		return refused
	})
	return printHash(parsed, err, "approved", hash)
}

// agentsPublish publishes the draft's file.
type agentsPublish struct {
	appFlags `embed:""`
}

// Run publishes and prints the hash.
func (c *agentsPublish) Run(ctx context.Context, parsed *kong.Context) error {
	var hash string
	err := c.with(ctx, func(
		ctx context.Context, g *gateway.Gateway, p access.Principal, s protocol.Scope,
	) (refused *protocol.Error) {
		hash, refused = g.Approvals().Publish(ctx, p, s)
		return refused
	})
	return printHash(parsed, err, "published", hash)
}

// agentsShow prints both versions as JSON.
type agentsShow struct {
	appFlags `embed:""`
}

// Run prints the state.
func (c *agentsShow) Run(ctx context.Context, parsed *kong.Context) error {
	var shown struct {
		Draft     approvals.View `json:"draft"`
		Published approvals.View `json:"published"`
	}
	err := c.with(ctx, func(
		ctx context.Context, g *gateway.Gateway, _ access.Principal, s protocol.Scope,
	) *protocol.Error {
		draft, published, refused := g.Approvals().Show(ctx, s)
		shown.Draft, shown.Published = draft.View(), published.View()
		return refused
	})
	if err != nil {
		return err
	}
	out := json.NewEncoder(parsed.Stdout)
	out.SetIndent("", "  ")
	return out.Encode(shown)
}

// agentsUndo undoes a change set.
type agentsUndo struct {
	appFlags  `embed:""`
	Draft     bool   `help:"The change set is of the app's draft."`
	ChangeSet string `arg:"" help:"Id of the change set, as audit rows and answers have it."`
}

// Run undoes all of the change set, or says what stands in the way.
func (c *agentsUndo) Run(ctx context.Context, parsed *kong.Context) error {
	var documents int
	var undo string
	err := c.with(ctx, func(
		ctx context.Context, g *gateway.Gateway, p access.Principal, s protocol.Scope,
	) (refused *protocol.Error) {
		s.Draft = c.Draft
		undo, documents, refused = g.Undo(ctx, p, s, c.ChangeSet)
		return refused
	})
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(parsed.Stdout, "undid %d documents; to undo that: %s\n", documents, undo)
	return err
}
