package gateway_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/backends/driverkit"
	"github.com/secondgate/secondgate/backends/model"
	"github.com/secondgate/secondgate/gateway"
	"github.com/secondgate/secondgate/gateway/metrics"
)

// full is a backend that reads, and whose room for writes can be bounded.
type full struct {
	backends.Backend
	room atomic.Int64 // bytes of the largest write that succeeds
}

func (b *full) fault(bytes int) error {
	if int64(bytes) <= b.room.Load() {
		return nil
	}
	return &driverkit.Fault{Shown: driverkit.ShownFull, Cause: errors.New("no space left on /secret/device")}
}

func (b *full) Write(ctx context.Context, txs []backends.Tx) []backends.Outcome {
	for i := range txs {
		if err := b.fault(driverkit.BytesOf(&txs[i])); err != nil {
			return driverkit.Failed(len(txs), err)
		}
	}
	return b.Backend.Write(ctx, txs)
}

func (b *full) Put(ctx context.Context, e backends.Entry, ifAbsent bool) error {
	if err := b.fault(len(e.Body)); err != nil {
		return err
	}
	return b.Backend.Put(ctx, e, ifAbsent)
}

// TestReadyNeedsWrites: a database that is full or read-only is not ready, the log has the cause once,
// and metrics count.
func TestReadyNeedsWrites(t *testing.T) {
	t.Parallel()
	const post = `{"collection":"c","data":{"n":1}}`
	for name, room := range map[string]int64{"nothing is written": 0, "what is small is still written": 2000} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := &full{Backend: model.New(model.Options{})}
			b.room.Store(1 << 40)
			var log lockedLog
			registry := prometheus.NewRegistry()
			config := gateway.DefaultConfig()
			config.Hosts, config.Log = []string{"h"}, slog.New(slog.NewTextHandler(&log, nil))
			config.Metrics = metrics.New(registry)
			g, err := gateway.New(t.Context(), b, config)
			require.NoError(t, err)
			defer g.Shutdown(t.Context())
			require.NoError(t, g.Ready(t.Context()))
			b.room.Store(room)
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second) // a client that gives up
			defer cancel()
			large := `{"collection":"c","data":{"pad":"` + strings.Repeat("x", 3000) + `"}}`
			require.Equal(t, http.StatusServiceUnavailable, postTo(ctx, g, large))
			for range 3 {
				err := g.Ready(t.Context())
				require.EqualError(t, err,
					"the database does not take writes: the database is full: the operator must make room")
			}
			require.Contains(t, log.String(), "no space left on /secret/device")
			require.GreaterOrEqual(t, writeFaults(t, registry), 4.0)
			b.room.Store(1 << 40)
			require.NoError(t, g.Ready(t.Context()), "it probes by itself, since no client is sent here")
			require.Equal(t, http.StatusCreated, postTo(t.Context(), g, post))
		})
	}
}

// postTo posts a document and returns the status.
func postTo(ctx context.Context, g *gateway.Gateway, body string) int {
	r := httptest.NewRequestWithContext(ctx, http.MethodPost, "http://h"+dataPath, strings.NewReader(body))
	w := httptest.NewRecorder()
	g.Handler(nil).ServeHTTP(w, r)
	return w.Code
}

func writeFaults(t *testing.T, r *prometheus.Registry) float64 {
	t.Helper()
	families, err := r.Gather()
	require.NoError(t, err)
	for _, f := range families {
		if f.GetName() == "secondgate_database_faults_total" {
			return f.GetMetric()[1].GetCounter().GetValue() // read, write
		}
	}
	return 0
}
