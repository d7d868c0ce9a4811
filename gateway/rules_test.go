package gateway_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/secondgate/secondgate/backends/model"
	"github.com/secondgate/secondgate/backends/model/modeltest"
	"github.com/secondgate/secondgate/backends/postgres/postgrestest"
	"github.com/secondgate/secondgate/backends/sqlite/sqlitetest"
	"github.com/secondgate/secondgate/conformance"
	"github.com/secondgate/secondgate/conformance/client"
	"github.com/secondgate/secondgate/gateway"
	"github.com/secondgate/secondgate/protocol"
)

// rule is one promise of the socket, shown by one small history.
type rule struct {
	id, says string
	// change, if set, is how the rule wants its gateway.
	change func(*gateway.Config)
	check  func(r *trial)
}

// trial is a rule being checked: a gateway over a bent backend.
type trial struct {
	*testing.T
	rule    rule
	ctx     context.Context
	backend *bent
	harness conformance.Harness
	url     string
}

func rules() []rule {
	return append(append(append(streamRules, requestRules...), subscribeRules...), edgeRules...)
}

func TestRules(t *testing.T) { runRules(t, &sqlitetest.Harness{}) }

func TestRulesPostgres(t *testing.T) { runRules(t, &postgrestest.Harness{}) }

// The model's dice are never thrown here but for its order of commits: each rule bends what it wants bent.
func TestRulesModel(t *testing.T) {
	runRules(t, &modeltest.Harness{Options: model.Options{Seed: 7, PreImage: -1, Break: -1}})
}

func runRules(t *testing.T, h conformance.Harness) {
	for _, rule := range shareOf(h, rules()) {
		t.Run(rule.id, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			b := newBent(h.Open(t))
			r := &trial{T: t, rule: rule, ctx: ctx, backend: b, harness: h}
			r.url = serve(t, b, func(c *gateway.Config) {
				if rule.change != nil {
					rule.change(c)
				}
			})
			rule.check(r)
		})
	}
}

// broken fails the test by its rule.
func (r *trial) broken(format string, args ...any) {
	r.Helper()
	r.Fatalf("rule %s: %s: %s", r.rule.id, r.rule.says, fmt.Sprintf(format, args...))
}

// must fails the test by its rule unless ok.
func (r *trial) must(ok bool, format string, args ...any) {
	r.Helper()
	if !ok {
		r.broken(format, args...)
	}
}

var here = protocol.Scope{Workspace: "w", App: "a"}

// peer is a client whose every message is noted in the order it came.
type peer struct {
	*client.Client
	r    *trial
	seen []protocol.Received
}

func (r *trial) dial(parameters ...string) *peer { return r.dialScope(here, parameters...) }

func (r *trial) dialScope(s protocol.Scope, parameters ...string) *peer {
	r.Helper()
	c, err := client.Dial(r.ctx, client.URL(r.url, s, parameters...))
	r.must(err == nil, "%v", err)
	r.Cleanup(c.Cut)
	p := &peer{Client: c, r: r}
	c.Seen = func(m protocol.Received) { p.seen = append(p.seen, m) }
	return p
}

// do makes a request and wants it carried out.
func (p *peer) do(q protocol.Request) protocol.Received {
	p.r.Helper()
	m, err := p.Call(p.r.ctx, q)
	p.r.must(err == nil, "%s: %v", q.Type, err)
	p.r.must(m.Error == nil, "%s was refused: %+v", q.Type, m.Error)
	return m
}

// refused makes a request and wants it refused.
func (p *peer) refused(q protocol.Request) protocol.Code {
	p.r.Helper()
	m, err := p.Call(p.r.ctx, q)
	p.r.must(err == nil, "%s: %v", q.Type, err)
	p.r.must(m.Error != nil, "%s was carried out", q.Type)
	return m.Error.Code
}

func (p *peer) insert(collection, id, data string) protocol.Received {
	p.r.Helper()
	return p.do(protocol.Request{Type: protocol.TypeInsert, Collection: collection, DocID: id, Data: []byte(data)})
}

func (p *peer) list(collection string) protocol.Received {
	p.r.Helper()
	return p.do(protocol.Request{Type: protocol.TypeList, Collection: collection})
}

// until reads messages, noting them, up to the first of a type.
func (p *peer) until(t protocol.Type) protocol.Received {
	p.r.Helper()
	for {
		m := p.next()
		if m.Type == t {
			return m
		}
	}
}

func (p *peer) next() protocol.Received {
	p.r.Helper()
	m, err := p.Next(p.r.ctx)
	p.r.must(err == nil, "the connection ended: %v; seen: %s", err, p.story())
	p.seen = append(p.seen, m)
	return m
}

// quiet tells what has come up to now: a ping is answered after it.
func (p *peer) quiet() []protocol.Received {
	p.r.Helper()
	from := len(p.seen)
	p.do(protocol.Request{Type: protocol.TypePing})
	return p.seen[from : len(p.seen)-1]
}

// story is the messages seen, for people.
func (p *peer) story() string {
	var parts []string
	for _, m := range p.seen {
		part := strings.TrimPrefix(string(m.Type), "second:data:")
		parts = append(parts, strings.TrimSpace(part+" "+m.DocID))
	}
	return strings.Join(parts, ", ")
}

// copyOf folds what a peer has seen of a collection.
func copyOf(collection string, seen []protocol.Received) map[string]string {
	docs := map[string]string{}
	for _, m := range seen {
		if m.Collection != collection {
			continue
		}
		switch {
		case m.Type == protocol.TypeList+protocol.ResponseSuffix:
			clear(docs)
			for _, d := range m.Docs {
				docs[idOf(d)] = string(d)
			}
		case m.Operation == "delete":
			delete(docs, m.DocID)
		case m.Type == protocol.TypeChange:
			docs[m.DocID] = string(m.Doc)
		}
	}
	return docs
}

func idOf(doc json.RawMessage) string {
	var d struct {
		ID string `json:"_id"`
	}
	_ = json.Unmarshal(doc, &d) // the comparison fails without it
	return d.ID
}
