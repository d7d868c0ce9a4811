package gateway_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/conformance"
	"github.com/secondgate/secondgate/conformance/rule"
	"github.com/secondgate/secondgate/gateway"
)

// gatewayRule is one promise that no client can bring about by itself: it needs a faulty backend, a
// configuration of its own, or a second gateway. What any client can ask for is a rule of
// conformance/wire.
type gatewayRule = rule.Rule[*trial]

// patience is how long a rule may take. It is for those that hang.
const patience = 2 * time.Minute

// trial is one rule under way: a gateway over a backend with faults on demand.
type trial struct {
	*rule.Attempt
	ctx     context.Context
	harness conformance.Harness
	backend *faulty
	plain   bool // see gateway.Config.PlainSockets
	url     string
}

// mode is a way in which a gateway writes to its clients. Every rule holds in both.
type mode struct {
	name  string
	plain bool
}

var modes = []mode{{"fast", false}, {"plain", true}}

// TestRules holds gateways to their own rules: in both modes over the databases inside this
// process, and in the fast one over the servers, since how a client is written to is the same over
// every database.
func TestRules(t *testing.T) {
	t.Parallel()
	for name, h := range harnesses() {
		for _, m := range modes {
			if m.plain && isServer(h) {
				continue
			}
			t.Run(name+"/"+m.name, func(t *testing.T) {
				t.Parallel()
				holdTo(t, h, m, socketRules, connectionRules, restRules, streamRules, pastRules)
			})
		}
	}
}

func holdTo(t *testing.T, h conformance.Harness, m mode, groups ...[]gatewayRule) {
	for _, rules := range groups {
		rule.Run(t, subject(h, m), shareOf(h, rules))
	}
}

func subject(h conformance.Harness, m mode) rule.Subject[*trial] {
	return rule.Subject[*trial]{Patience: patience, Open: func(a *rule.Attempt) *trial {
		return &trial{Attempt: a, ctx: a.Context(), harness: h, backend: newFaulty(h.Open(a)), plain: m.plain}
	}}
}

// serve starts the rule's gateway.
func (r *trial) serve(change ...func(*gateway.Config)) { r.url = r.serveOver(r.backend, change...) }

// serveOver starts a gateway over a backend and returns its URL.
func (r *trial) serveOver(b backends.Backend, change ...func(*gateway.Config)) string {
	plain := func(c *gateway.Config) { c.PlainSockets = r.plain }
	return serve(r, b, append([]func(*gateway.Config){plain}, change...)...)
}

// config is that of a gateway that the rule starts by itself.
func (r *trial) config() gateway.Config {
	config := gateway.DefaultConfig()
	config.PlainSockets = r.plain
	return config
}

// broken ends the attempt.
func (r *trial) broken(format string, args ...any) { r.Fatalf("%s", fmt.Sprintf(format, args...)) }

// must ends the attempt unless ok.
func (r *trial) must(ok bool, format string, args ...any) {
	if !ok {
		r.Fatalf(format, args...)
	}
}
