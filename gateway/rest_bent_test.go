package gateway_test

import (
	"context"
	"testing"
	"time"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/conformance"
	"github.com/secondgate/secondgate/gateway"
	"github.com/secondgate/secondgate/protocol"
)

// away has the next calls fail, so many of them, as those of a database that is away for a moment.
func (b *bent) away(calls int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fails = calls
}

func (b *bent) fault() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.called++
	if b.fails == 0 {
		return nil
	}
	b.fails--
	return protocol.Errorf(protocol.CodeUnavailable, "the database is away")
}

// calls is how many calls there were: of reads, but for single documents and differences, and writes.
func (b *bent) calls() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.called
}

// Write fails after it has happened: the worst case for who tries again.
func (b *bent) Write(ctx context.Context, txs []backends.Tx) []backends.Outcome {
	out := b.Backend.Write(ctx, txs)
	if err := b.fault(); err != nil {
		for i := range out {
			out[i] = backends.Outcome{Err: err}
		}
	}
	return out
}

func (b *bent) Collections(ctx context.Context, s protocol.Scope, notBefore backends.Cursor) (map[string]int, error) {
	if err := b.fault(); err != nil {
		return nil, err
	}
	return b.Backend.Collections(ctx, s, notBefore)
}

func (b *bent) Cursor(ctx context.Context, raw []byte) (backends.Cursor, error) {
	if err := b.fault(); err != nil {
		return nil, err
	}
	return b.Backend.Cursor(ctx, raw)
}

func checkRules(t *testing.T, h conformance.Harness, rules []rule) {
	for _, rule := range shareOf(h, rules) {
		t.Run(rule.id, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			b := newBent(h.Open(t))
			r := &trial{T: t, rule: rule, ctx: ctx, backend: b, harness: h}
			r.url = serve(t, b, rule.changes()...)
			rule.check(r)
		})
	}
}

func (r rule) changes() []func(*gateway.Config) {
	if r.change == nil {
		return nil
	}
	return []func(*gateway.Config){r.change}
}

func refTo(id string) protocol.Ref { return protocol.Ref{Scope: here, Collection: "c", ID: id} }

func insertRequest(collection, data, mutation string) protocol.Request {
	return protocol.Request{Type: protocol.TypeInsert, Collection: collection, Data: []byte(data), MutationID: mutation}
}
