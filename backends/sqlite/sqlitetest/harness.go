// Package sqlitetest runs the conformance rules on SQLite files. Its outside writer is the real
// sqlite3.
package sqlitetest

import (
	"log/slog"
	"os"
	"path/filepath"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/backends/sqlite"
	"github.com/secondgate/secondgate/conformance"
	"time"
)

// Harness opens SQLite files in temporary directories.
type Harness struct{}

var _ conformance.Harness = Harness{}

// Open makes a new file.
func (Harness) Open(t conformance.T) backends.Backend {
	return open(t, filepath.Join(t.TempDir(), "data.db"))
}

// Reopen opens b's file a second time.
func (Harness) Reopen(t conformance.T, b backends.Backend) backends.Backend { return open(t, path(b)) }

// Forget drops b's history.
func (Harness) Forget(t conformance.T, b backends.Backend) {
	t.Helper()
	if err := b.(*sqlite.Backend).Trim(t.Context(), time.Now()); err != nil {
		t.Fatalf("trim: %v", err)
	}
}

// Backup copies b's file with sqlite3's .backup.
func (Harness) Backup(t conformance.T, b backends.Backend) (restore func() backends.Backend) {
	t.Helper()
	to := filepath.Join(t.TempDir(), "backup.db")
	CLI(t, path(b), ".backup '"+to+"'\n")
	return func() backends.Backend {
		if err := b.Close(); err != nil {
			t.Fatalf("close: %v", err)
		}
		return open(t, to)
	}
}

// Exempt exempts SQLite from no rule.
func (Harness) Exempt(string) string { return "" }

func open(t conformance.T, path string) *sqlite.Backend {
	t.Helper()
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError}))
	b, err := sqlite.Open(t.Context(), sqlite.Options{Path: path, Log: log})
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return b
}

func path(b backends.Backend) string { return b.(*sqlite.Backend).Path() }
