package main

import (
	"context"
	"net"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/secondgate/secondgate/gateway"
	"github.com/secondgate/secondgate/gateway/access"
)

// agentFlags is how agents are let in. Its flags are serve's.
type agentFlags struct {
	Agents            string        `help:"Who keeps approvals and runs of agents: serve (the gateway) or forward=URL (a web app of Second); by default the one that --forward names, or else the gateway." placeholder:"MODE"`
	DraftApprovals    string        `help:"Who may approve the agents of a draft: builders (who build the app) or admins." enum:"builders,admins" default:"builders"`
	UndoRetention     time.Duration `help:"How long what agents wrote can be undone." default:"24h"`
	InternalTokenFile string        `help:"File with the token that workers of agents send to /api/internal: at least 32 bytes. The variable INTERNAL_API_TOKEN has it too." placeholder:"FILE"`
	AgentSecretFile   string        `help:"File with the secret of tokens of agents that speak MCP: at least 32 bytes. Without it --auth jwt takes those of its own keys." placeholder:"FILE"`
	AgentCap          int           `help:"How many documents one call of an agent over MCP may change before a person must allow it." default:"100"`
	AgentElicitation  bool          `help:"A client over MCP may ask its person about a larger call, and the answer counts. Whoever holds an agent's token can then allow its calls."`

	letIn gateway.Agents
}

// internalTokenVariable is where a web app of Second and its worker have the token.
const internalTokenVariable = "INTERNAL_API_TOKEN"

// agents is how the gateway at an address lets agents in. Without a token the internal doors are open to
// this machine where everybody may do everything, and else closed.
func (c *serve) agents(ctx context.Context, at *net.TCPAddr) (gateway.Agents, error) {
	a := c.letIn
	a.Worker, a.RunTime = c.driver(at), c.RunTimeLimit
	var err error
	if a.Tokens, a.Issuer, err = c.agentTokens(ctx); err != nil {
		return a, err
	}
	a.Open = a.Token == "" && c.Auth == "none" && at.IP.IsLoopback()
	return a, nil
}

// agentTokens knows the tokens that `secondgate token agent` prints with the same flags.
func (c *serve) agentTokens(ctx context.Context) (*access.JWT, string, error) {
	switch {
	case c.AgentSecretFile != "":
		secret, err := readSecret("--agent-secret-file", c.AgentSecretFile)
		if err != nil {
			return nil, "", err
		}
		return access.NewAgentJWT(secret, agentIssuer, agentAudience), agentIssuer, nil
	case c.Auth == "jwt":
		keys, err := c.keys(ctx)
		if err != nil {
			return nil, "", err
		}
		return access.NewAgentJWT(keys, c.JWTIssuer, c.JWTAudience), c.JWTIssuer, nil
	}
	return nil, "", nil
}

// agentIssuer and agentAudience are of tokens with a secret of their own.
const agentIssuer, agentAudience = "secondgate", "secondgate-mcp"

// checkAgents fails on flags that cannot be meant, and keeps what they mean.
func (c *serve) checkAgents() (err error) {
	if c.UndoRetention < leastRetention {
		return badSetting("--undo-retention is %v: it must be at least %v, such as 24h", c.UndoRetention, leastRetention)
	}
	if c.AgentCap < 1 {
		return badSetting("--agent-cap is %d: it must be at least 1", c.AgentCap)
	}
	c.letIn.Cap, c.letIn.Elicitation = c.AgentCap, c.AgentElicitation
	c.letIn.UndoTime = c.UndoRetention
	c.letIn.AdminsApprove = c.DraftApprovals == "admins"
	if c.letIn.Token, err = c.internalToken(); err != nil {
		return err
	}
	if err := c.checkWorker(); err != nil {
		return err
	}
	mode, target, _ := strings.Cut(c.Agents, "=")
	switch {
	case c.Agents == "":
		c.letIn.Forward = c.Forward
	case mode == "forward":
		c.letIn.Forward, err = url.Parse(target)
		if err != nil || c.letIn.Forward.Host == "" {
			return badSetting("the URL behind --agents forward= cannot be used: write one such as " +
				"http://127.0.0.1:3000")
		}
	case c.Agents != "serve":
		return badSetting("the value of --agents is no mode: write serve or forward=URL")
	}
	return nil
}

// internalToken reads the token, from the file if there is one.
func (c *serve) internalToken() (string, error) {
	token, from := strings.TrimSpace(os.Getenv(internalTokenVariable)), internalTokenVariable
	if c.InternalTokenFile != "" {
		text, err := os.ReadFile(c.InternalTokenFile)
		if err != nil {
			return "", badSetting("the file of --internal-token-file cannot be read: %s", reason(err))
		}
		token, from = strings.TrimSpace(string(text)), "--internal-token-file"
	}
	if token == "" && c.InternalTokenFile == "" {
		return "", nil
	}
	if len(token) < gateway.LeastToken {
		return "", badSetting("the token of %s has %d bytes: it needs at least %d, such as openssl rand -hex 32 prints",
			from, len(token), gateway.LeastToken)
	}
	return token, nil
}
