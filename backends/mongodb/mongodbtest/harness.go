package mongodbtest

import (
	"context"
	"log/slog"
	"os"
	"sync"
	"time"

	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/backends/mongodb"
	"github.com/secondgate/secondgate/conformance"
)

// Harness opens databases of the shared server, or of Server.
type Harness struct {
	// Server is the URL of another server to use.
	Server string

	mu        sync.Mutex
	urls      map[backends.Backend]string
	outsiders map[string]*mongo.Client // by URL
}

var _ conformance.Harness = (*Harness)(nil)

// Open makes a new database.
func (h *Harness) Open(t conformance.T) backends.Backend {
	t.Helper()
	server := h.Server
	if server == "" {
		server = URL(t)
	}
	url := DatabaseOn(t, server)
	client := Client(t, url) // it is opened first, so it is closed after all its users have ended
	h.mu.Lock()
	if h.outsiders == nil {
		h.outsiders = map[string]*mongo.Client{}
	}
	h.outsiders[url] = client
	h.mu.Unlock()
	return h.open(t, url)
}

// Reopen opens b's database a second time.
func (h *Harness) Reopen(t conformance.T, b backends.Backend) backends.Backend {
	t.Helper()
	return h.open(t, h.url(b))
}

// Forget makes cursors from before now expire.
func (h *Harness) Forget(t conformance.T, b backends.Backend) {
	t.Helper()
	if err := b.(*mongodb.Backend).Trim(t.Context(), time.Now()); err != nil {
		t.Fatalf("trim: %v", err)
	}
}

// Exempt exempts MongoDB from no rule.
func (h *Harness) Exempt(string) string { return "" }

func (h *Harness) open(t conformance.T, url string) *mongodb.Backend {
	t.Helper()
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError}))
	b, err := mongodb.Open(t.Context(), mongodb.Options{URL: url, Log: log})
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

// url is the URL of a backend that this harness has opened.
func (h *Harness) url(b backends.Backend) string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.urls[b]
}

// Database is b's database as outside writers open it.
func (h *Harness) Database(b backends.Backend) *mongo.Database {
	url := h.url(b)
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.outsiders[url].Database(NameOf(url))
}

// Backup makes a [Copy]. It is restored while the backend is closed.
func (h *Harness) Backup(t conformance.T, b backends.Backend) (restore func() backends.Backend) {
	t.Helper()
	url, db := h.url(b), h.Database(b)
	backup, err := ReadCopy(t.Context(), db)
	if err != nil {
		t.Fatalf("backup: %v", err)
	}
	return func() backends.Backend {
		if err := b.Close(); err != nil {
			t.Fatalf("close: %v", err)
		}
		if err := backup.Restore(context.Background(), db); err != nil {
			t.Fatalf("restore: %v", err)
		}
		return h.open(t, url)
	}
}
