package access

import (
	"fmt"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/protocol"
)

// AgentKind is the typ of an agent's token. It opens no door for people, and theirs open none for agents.
const AgentKind = "agent+jwt"

// AgentClaim is the claim that says which agent it is, and where: {"id": "enricher", "workspace":
// "acme", "app": "crm", "version": "draft"}. With "operations": ["read"] the token is for those
// alone.
const AgentClaim = "agent"

// NewAgentJWT takes the tokens of agents.
func NewAgentJWT(keys Keys, issuer, audience string) *JWT {
	m := newJWT(keys, issuer, audience, DefaultClaims, time.Now)
	m.kinds, m.read = []string{AgentKind}, agentPrincipal
	m.realm = fmt.Sprintf("agent %q %q", issuer, audience)
	return m
}

// agentPrincipal reads the claims of a token whose signature holds.
func agentPrincipal(claims jwt.MapClaims) (p Principal, refused *protocol.Error) {
	agent, _ := claims[AgentClaim].(map[string]any)
	text := func(name string) string {
		value, _ := agent[name].(string)
		return value
	}
	id := text("id")
	if id == "" || len(id) > maxUser {
		return p, badClaim(`%s must say which agent it is, such as {"id":"a1","workspace":"w1","app":"c1"}`, AgentClaim)
	}
	scope, err := protocol.ParseScope(text("workspace"), text("app"), text("version"))
	if err != nil {
		return p, badClaim("%s names no app: it needs workspace and app", AgentClaim)
	}
	operations, refused := operationsOf(agent)
	return Principal{
		ID: "agent:" + id, Name: id, Actor: backends.Actor{Kind: "agent", ID: id}, AgentScope: scope,
		AgentOperations: operations,
	}, refused
}

// operationsOf are those that a token is for; zero without a claim of them.
func operationsOf(agent map[string]any) (set OperationSet, refused *protocol.Error) {
	claim, there := agent["operations"]
	if !there {
		return 0, nil
	}
	list, known := claim.([]any)
	for _, one := range list {
		name, _ := one.(string)
		with, ok := set.With(Operation(name))
		set, known = with, known && ok
	}
	if !known || set == 0 {
		return 0, badClaim(
			"%s.operations must be a list of read, insert, update, upsert or delete", AgentClaim,
		)
	}
	return set, nil
}
