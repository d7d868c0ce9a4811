package postgres_test

import (
	"context"
	"errors"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/backends/postgres/postgrestest"
	"github.com/secondgate/secondgate/protocol"
)

// TestCallsWhileTheSchemaIsRestored are carried out, or refused for a passing reason: whoever restores
// a dump drops the schema first.
func TestCallsWhileTheSchemaIsRestored(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	b, url := fresh(t)
	write(t, b, tx(insert("d", `{}`)))
	file := filepath.Join(t.TempDir(), "dump.sql")
	postgrestest.Dump(t, url, file)
	start := now(t, b)
	calls := map[string]func() error{
		"list": func() error {
			_, err := b.List(ctx, scope, backends.Query{Collection: "notes"})
			return err
		},
		"get": func() error {
			_, _, err := b.Get(ctx, protocol.Ref{Scope: scope, Collection: "notes", ID: "d"}, nil)
			return err
		},
		"collections": func() error {
			_, err := b.Collections(ctx, scope, nil)
			return err
		},
		"since": func() error {
			_, err := b.Since(ctx, scope, start, 0)
			return err
		},
		"gone": func() error {
			_, _, err := b.Gone(ctx, scope, nil, 100)
			return err
		},
		"insert": func() error {
			_, err := backends.WriteOne(ctx, b, tx(insert(protocol.NewID(time.Now()), `{}`)))
			return err
		},
		"upsert": func() error {
			_, err := backends.WriteOne(ctx, b, tx(upsert("u", `{}`)))
			return err
		},
		"ledger": func() error {
			_, err := b.Find(ctx, "kind", "", "", 10)
			return err
		},
	}
	var over atomic.Bool
	var callers sync.WaitGroup
	for name, call := range calls {
		callers.Go(func() {
			for !over.Load() {
				err := call()
				code := protocol.CodeOf(err)
				passes := code == "" || code == protocol.CodeUnavailable || code == protocol.CodeTimeout
				if !passes && !errors.Is(err, backends.ErrCursor) {
					t.Errorf("%s: %v", name, err)
					return
				}
			}
		})
	}
	script := "BEGIN;\nDROP SCHEMA " + postgrestest.SchemaOf(url) + " CASCADE;\n\\i " + file + "\nCOMMIT;"
	for restored := 0; restored < 4 && ctx.Err() == nil; {
		if _, err := postgrestest.TryPSQL(url, script); err == nil { // else a deadlock
			restored++
		}
	}
	over.Store(true)
	callers.Wait()
	require.NoError(t, ctx.Err())
}
