package gateway_test

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/conformance"
	"github.com/secondgate/secondgate/conformance/client"
	"github.com/secondgate/secondgate/gateway"
	"github.com/secondgate/secondgate/gateway/metrics"
	"github.com/secondgate/secondgate/gateway/store"
	"github.com/secondgate/secondgate/protocol"
)

// filled is a scope with a quota of ten documents, at a gateway.
type filled struct {
	*testing.T
	ctx context.Context
	url string
}

func (f filled) do(method, id, body string) client.Reply {
	f.Helper()
	a, err := client.Do(f.ctx, method, client.DataURL(f.url, here, id, "collection", "c"), body)
	require.NoError(f, err)
	return a
}

func (f filled) insert(id, data string) client.Reply {
	f.Helper()
	return f.do("POST", "", fmt.Sprintf(`{"collection":"c","docId":%q,"data":%s}`, id, data))
}

// refused wants the quota to refuse a write.
func (f filled) refused(a client.Reply, says string) {
	f.Helper()
	require.Equal(f, http.StatusForbidden, a.Status, a.Body)
	require.Contains(f, a.Body, `"error":"quota_exceeded"`)
	require.Contains(f, a.Body, says)
}

// TestQuotaOfDocuments on each database: 40 writers at once make ten documents, exactly. Then nothing is
// made, what is there can be changed, and what is deleted makes room. Other scopes have room of their own.
func TestQuotaOfDocuments(t *testing.T) {
	t.Parallel()
	for name, h := range harnesses() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := h.Open(t)
			outside := h.Outside(t, b)
			registry := prometheus.NewRegistry()
			f := filled{t, live(t), serve(t, b, func(c *gateway.Config) {
				c.Quota, c.Metrics = store.Quota{Documents: 10}, metrics.New(registry)
			})}
			outside.Do(t, true, conformance.Step{
				Kind: "insert", Ref: protocol.Ref{Scope: here, Collection: "c", ID: "outside"}, Data: `{"n":1}`,
			})
			var made, full atomic.Int64
			var group sync.WaitGroup
			for i := range 40 {
				group.Go(func() {
					switch a := f.insert(fmt.Sprint("d", i), `{"n":1}`); a.Status {
					case http.StatusCreated:
						made.Add(1)
					case http.StatusForbidden:
						full.Add(1)
					default:
						t.Errorf("%d %s", a.Status, a.Body)
					}
				})
			}
			group.Wait()
			require.EqualValues(t, 9, made.Load(), "the outside writer has made one")
			require.EqualValues(t, 31, full.Load())
			f.refused(f.insert("more", `{}`), "may have 10 documents")
			u, err := b.Usage(f.ctx, here)
			require.NoError(t, err)
			require.Equal(t, 10, u.Documents)

			require.Equal(
				t,
				200,
				f.do("PATCH", "outside", `{"collection":"c","data":{"text":"longer"}}`).Status,
			)
			require.Equal(t, 200, f.do("DELETE", "outside", "").Status)
			require.Equal(t, 201, f.insert("instead", `{}`).Status)
			f.refused(f.insert("more", `{}`), "delete some")
			a, err := client.Do(
				f.ctx,
				"POST",
				client.DataURL(f.url, draft, ""),
				`{"collection":"c","data":{}}`,
			)
			require.NoError(t, err)
			require.Equal(t, 201, a.Status, "the draft has room of its own")
			require.Equal(t, 33.0, sampleOf(t, registry, metrics.LimitDocuments))
		})
	}
}

// sampleOf is how many refusals a limit has counted.
func sampleOf(t *testing.T, registry *prometheus.Registry, limit string) float64 {
	t.Helper()
	l := limited{T: t, registry: registry}
	return l.countRefused(limit)
}

// TestQuotaOfBytes on each database: what needs room is refused, what needs none is not, and a batch is
// carried out whole or not at all.
func TestQuotaOfBytes(t *testing.T) {
	t.Parallel()
	for name, h := range harnesses() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := filled{t, live(t), serve(t, h.Open(t), func(c *gateway.Config) {
				c.Quota = store.Quota{Bytes: 2000}
			})}
			long := fmt.Sprintf(`{"text":"%01500d"}`, 0)
			require.Equal(t, 201, f.insert("a", long).Status)
			f.refused(f.insert("b", long), "may have 2000 bytes")
			f.refused(f.do("PATCH", "a", `{"collection":"c","data":{"more":`+long+`}}`), "make some shorter")
			require.Equal(
				t,
				200,
				f.do("PATCH", "a", `{"collection":"c","data":`+long+`}`).Status,
				"as long as before",
			)

			c, err := client.Dial(f.ctx, client.URL(f.url, here))
			require.NoError(t, err)
			defer c.Cut()
			m, err := c.Call(f.ctx, protocol.Request{Type: protocol.TypeBatch, Operations: []protocol.Request{
				{Type: protocol.TypeDelete, Collection: "c", DocID: "a"},
				{Type: protocol.TypeInsert, Collection: "c", DocID: "b", Data: []byte(long)},
			}})
			require.NoError(t, err)
			require.NotNil(t, m.Error, "what a batch frees is there afterwards")
			require.Equal(t, protocol.CodeQuotaExceeded, m.Error.Code)
			require.Equal(t, 200, f.do("GET", "a", "").Status, "the batch has deleted nothing")

			require.Equal(t, 200, f.do("PATCH", "a", `{"collection":"c","data":{"text":""}}`).Status)
			require.Equal(t, 201, f.insert("b", long).Status, "what became shorter has made room")
		})
	}
}
