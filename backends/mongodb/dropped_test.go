package mongodb_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/backends/mongodb"
	"github.com/secondgate/secondgate/backends/mongodb/mongodbtest"
	"github.com/secondgate/secondgate/protocol"
)

// TestReadsWhileTheCollectionIsDropped are answered, or refused for a passing reason: whoever restores a
// database drops it first.
func TestReadsWhileTheCollectionIsDropped(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	h := &mongodbtest.Harness{}
	b := h.Open(t).(*mongodb.Backend)
	scope := protocol.Scope{Workspace: "w", App: "a"}
	reads := map[string]func() error{
		"list": func() error {
			_, err := b.List(ctx, scope, backends.Query{Collection: "c"})
			return err
		},
		"get": func() error {
			_, _, err := b.Get(ctx, protocol.Ref{Scope: scope, Collection: "c", ID: "d"}, nil)
			return err
		},
		"collections": func() error {
			_, err := b.Collections(ctx, scope, nil)
			return err
		},
		"gone": func() error {
			_, _, err := b.Gone(ctx, scope, nil, 100)
			return err
		},
	}
	var dropped atomic.Bool
	var readers sync.WaitGroup
	for name, read := range reads {
		readers.Go(func() {
			for !dropped.Load() {
				switch err := read(); protocol.CodeOf(err) {
				case "", protocol.CodeUnavailable, protocol.CodeTimeout:
				default:
					if !errors.Is(err, backends.ErrCursor) {
						t.Errorf("%s: %v", name, err)
						return
					}
				}
			}
		})
	}
	for range 10 {
		for range 5 {
			out := b.Write(ctx, []backends.Tx{{Scope: scope, At: time.Now(), Writes: []backends.Write{{
				Op: backends.Insert, Collection: "c", ID: protocol.NewID(time.Now()), Data: []byte(`{}`),
			}}}})
			require.Contains(t, []protocol.Code{"", protocol.CodeUnavailable}, protocol.CodeOf(out[0].Err))
		}
		require.NoError(t, h.Documents(b).Drop(ctx))
	}
	dropped.Store(true)
	readers.Wait()
}
