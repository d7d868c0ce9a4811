package gateway_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/backends/model"
	"github.com/secondgate/secondgate/gateway"
	"github.com/secondgate/secondgate/gateway/metrics"
	"github.com/secondgate/secondgate/protocol"
)

// sick is a backend whose reads can hang or fail, and whose feed can break and stay away.
type sick struct {
	backends.Backend
	hang, fail, away atomic.Bool
	feed             chan struct{} // breaks the feed
}

func (b *sick) Get(
	ctx context.Context, r protocol.Ref, notBefore backends.Cursor,
) (*protocol.Document, backends.Cursor, error) {
	if b.hang.Load() {
		<-ctx.Done()
		time.Sleep(50 * time.Millisecond) // it takes no notice at first
		return nil, nil, ctx.Err()
	}
	if b.fail.Load() {
		return nil, nil, errors.New("disk on fire at /secret/path")
	}
	return b.Backend.Get(ctx, r, notBefore)
}

func (b *sick) Watch(ctx context.Context, from backends.Cursor) (backends.Feed, error) {
	if b.away.Load() {
		return nil, errors.New("away")
	}
	f, err := b.Backend.Watch(ctx, from)
	return &sickFeed{f, b}, err
}

type sickFeed struct {
	backends.Feed
	sick *sick
}

func (f *sickFeed) Next(ctx context.Context) (backends.Batch, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	broken := make(chan struct{})
	go func() {
		defer close(broken)
		select {
		case <-f.sick.feed:
			cancel()
		case <-ctx.Done():
		}
	}()
	batch, err := f.Feed.Next(ctx)
	cancel()
	<-broken
	return batch, err
}

func TestReady(t *testing.T) {
	t.Parallel()
	b := &sick{Backend: model.New(model.Options{}), feed: make(chan struct{})}
	registry := prometheus.NewRegistry()
	config := gateway.DefaultConfig()
	config.Hosts, config.Log = []string{"h"}, slog.New(slog.NewTextHandler(io.Discard, nil))
	config.Metrics = metrics.New(registry)
	g, err := gateway.New(context.Background(), b, config)
	require.NoError(t, err)
	within := func(d time.Duration) error {
		ctx, cancel := context.WithTimeout(context.Background(), d)
		defer cancel()
		return g.Ready(ctx)
	}
	ready := func() error { return within(time.Minute) }
	require.NoError(t, ready())

	b.hang.Store(true)
	require.ErrorContains(t, within(100*time.Millisecond), "does not answer in time")
	b.hang.Store(false)
	b.fail.Store(true)
	require.ErrorContains(t, ready(), "does not answer: internal")
	require.NotContains(t, ready().Error(), "secret")
	b.fail.Store(false)
	require.NoError(t, ready())

	b.away.Store(true)
	b.feed <- struct{}{}
	require.Eventually(t, func() bool { return ready() != nil }, time.Minute, time.Millisecond)
	require.ErrorContains(t, ready(), "the feed of the database is broken")
	require.Positive(t, value(t, registry, "secondgate_feed_lag_seconds"))
	b.away.Store(false)
	require.Eventually(
		t, func() bool { return ready() == nil }, time.Minute, 5*time.Millisecond, "it is opened again",
	)
	require.Zero(t, value(t, registry, "secondgate_feed_lag_seconds"))

	g.Drain()
	require.ErrorContains(t, ready(), "stopping")
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	g.Shutdown(ctx)
	require.ErrorContains(t, ready(), "stopping")
}

// TestFeedLag: a write that the feed has not told shows, and no longer once it has.
func TestFeedLag(t *testing.T) {
	t.Parallel()
	b := newFaulty(model.New(model.Options{}))
	registry := prometheus.NewRegistry()
	url := serve(t, b, func(c *gateway.Config) { c.Metrics = metrics.New(registry) })
	release := b.holdFeed()
	postMetric(t, url)
	first := value(t, registry, "secondgate_feed_lag_seconds")
	require.Positive(t, first)
	require.Greater(t, value(t, registry, "secondgate_feed_lag_seconds"), first)
	release()
	require.Eventually(
		t, func() bool { return value(t, registry, "secondgate_feed_lag_seconds") == 0 }, time.Minute,
		time.Millisecond,
	)
}

// value is a metric's without labels.
func value(t *testing.T, r *prometheus.Registry, name string) float64 {
	t.Helper()
	families, err := r.Gather()
	require.NoError(t, err)
	for _, f := range families {
		if f.GetName() == name {
			return f.GetMetric()[0].GetGauge().GetValue()
		}
	}
	t.Fatalf("there is no metric %s", name)
	return 0
}

// postMetric writes a document through the gateway.
func postMetric(t *testing.T, url string) {
	t.Helper()
	body := strings.NewReader(`{"collection":"c","data":{"n":1}}`)
	response, err := http.Post(url+"/api/workspaces/w/apps/a/data", "application/json", body)
	require.NoError(t, err)
	response.Body.Close()
	require.Equal(t, http.StatusCreated, response.StatusCode)
}
