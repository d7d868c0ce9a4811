package main

import (
	"crypto/rand"
	"fmt"
	"time"

	"github.com/alecthomas/kong"
	"github.com/golang-jwt/jwt/v5"

	"github.com/secondgate/secondgate/gateway/access"
	"github.com/secondgate/secondgate/protocol"
)

// tokenAgent prints a token for an agent.
type tokenAgent struct {
	signing         `embed:""`
	AgentSecretFile string        `help:"File with the secret of agents' tokens, as the gateway has it." placeholder:"FILE"`
	Workspace       string        `help:"Id of the workspace." required:""`
	App             string        `help:"Id of the app." required:""`
	Draft           bool          `help:"The token is for the app's draft, and not for what is published."`
	Agent           string        `help:"Id of the agent, as agents.json has it." required:""`
	Operations      []string      `help:"What the token is for: read, insert, update, upsert, delete, with commas between them. Without it, whatever was approved for the agent." placeholder:"OPERATION,…"`
	For             time.Duration `help:"How long the token holds." default:"720h"`
}

// AfterApply fails on flags that make no token.
func (c *tokenAgent) AfterApply() error {
	if c.For <= 0 {
		return badSetting("--for is %v: it must be more than 0s, such as 720h", c.For)
	}
	if _, err := protocol.ParseScope(c.Workspace, c.App, ""); err != nil {
		return badSetting("%s", err)
	}
	if _, err := c.operations(); err != nil {
		return err
	}
	if c.AgentSecretFile != "" {
		c.JWTSecretFile, c.JWTIssuer, c.JWTAudience = c.AgentSecretFile, agentIssuer, agentAudience
	}
	return c.check()
}

// operations are those that the token is for; zero: all.
func (c *tokenAgent) operations() (set access.OperationSet, err error) {
	for _, name := range c.Operations {
		with, known := set.With(access.Operation(name))
		if !known {
			return 0, badSetting(
				"--operations names %q: it takes read, insert, update, upsert and delete", name,
			)
		}
		set = with
	}
	return set, nil
}

// Run prints the token and nothing else.
func (c *tokenAgent) Run(parsed *kong.Context) error {
	now := time.Now()
	agent := map[string]any{
		"id": c.Agent, "workspace": c.Workspace, "app": c.App,
		"version": protocol.Scope{Draft: c.Draft}.Version(),
	}
	if set, _ := c.operations(); set != 0 {
		agent["operations"] = set.List()
	}
	text, err := c.sign(access.AgentKind, jwt.MapClaims{
		"iss": c.JWTIssuer, "aud": c.JWTAudience, "iat": now.Unix(), "exp": now.Add(c.For).Unix(),
		"jti": rand.Text(), "sub": "agent:" + c.Agent,
		access.AgentClaim: agent,
	})
	if err == nil {
		_, err = fmt.Fprintln(parsed.Stdout, text)
	}
	return err
}
