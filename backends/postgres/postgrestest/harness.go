package postgrestest

import (
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/backends/postgres"
	"github.com/secondgate/secondgate/conformance"
)

// Harness opens schemas of the shared server, or of Server.
type Harness struct {
	// Server is the URL of another server to use.
	Server string

	mu   sync.Mutex
	urls map[backends.Backend]string
}

var _ conformance.Harness = (*Harness)(nil)

// Open makes a new schema.
func (h *Harness) Open(t conformance.T) backends.Backend {
	t.Helper()
	server := h.Server
	if server == "" {
		server = URL(t)
	}
	return h.open(t, SchemaOn(t, server))
}

// Reopen opens b's schema a second time.
func (h *Harness) Reopen(t conformance.T, b backends.Backend) backends.Backend {
	t.Helper()
	return h.open(t, h.url(b))
}

// Forget drops b's history.
func (h *Harness) Forget(t conformance.T, b backends.Backend) {
	t.Helper()
	if err := b.(*postgres.Backend).Trim(t.Context(), time.Now()); err != nil {
		t.Fatalf("trim: %v", err)
	}
}

// Exempt exempts PostgreSQL from no rule.
func (h *Harness) Exempt(string) string { return "" }

func (h *Harness) open(t conformance.T, url string) *postgres.Backend {
	t.Helper()
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError}))
	b, err := postgres.Open(t.Context(), postgres.Options{URL: url, Log: log})
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.urls == nil {
		h.urls = map[backends.Backend]string{}
	}
	h.urls[b] = url
	t.Cleanup(func() {
		h.mu.Lock()
		delete(h.urls, b)
		h.mu.Unlock()
		if err := b.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return b
}

// URLOf is the URL of a backend that this harness has opened.
func (h *Harness) URLOf(b backends.Backend) string { return h.url(b) }

// url is the URL of a backend that this harness has opened.
func (h *Harness) url(b backends.Backend) string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.urls[b]
}
