package mongodb_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

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

// TestGoneAfterADrop: what was deleted before the collection was dropped, nobody can tell; what was
// deleted since is told.
func TestGoneAfterADrop(t *testing.T) {
	t.Parallel()
	h := &mongodbtest.Harness{}
	b := h.Open(t).(*mongodb.Backend)
	scope := protocol.Scope{Workspace: "w", App: "a"}
	write := func(op backends.Op, id string) {
		tx := backends.Tx{Scope: scope, Writes: []backends.Write{{Op: op, Collection: "c", ID: id}}}
		if op == backends.Insert {
			tx.Writes[0].Data = []byte(`{}`)
		}
		require.Eventually(t, func() bool { // until the gateway has made the collection again
			_, err := backends.WriteOne(t.Context(), b, tx)
			return err == nil
		}, time.Minute, 10*time.Millisecond)
	}
	before, err := b.List(t.Context(), scope, backends.Query{Collection: "c"})
	require.NoError(t, err)
	for _, name := range []string{"first", "second"} {
		write(backends.Insert, name+" deleted")
		write(backends.Insert, name+" kept")
		write(backends.Delete, name+" deleted")
		if name == "first" {
			require.NoError(t, h.Documents(b).Drop(t.Context()))
			untilRepaired(t, h, b)
		}
	}
	refs, _, err := b.Gone(t.Context(), scope, nil, 100)
	require.NoError(t, err)
	require.Equal(t, []protocol.Ref{{Scope: scope, Collection: "c", ID: "second deleted"}}, refs)
	_, _, err = b.Gone(t.Context(), scope, before.Cursor, 100)
	require.ErrorIs(t, err, backends.ErrCursor, "a client's own cursor from before cannot be used")
}

// untilRepaired waits until the gateway has made the collection again, with its images.
func untilRepaired(t *testing.T, h *mongodbtest.Harness, b backends.Backend) {
	t.Helper()
	require.Eventually(t, func() bool {
		named := bson.D{{Key: "name", Value: "app_data"}}
		found, err := h.Database(b).ListCollectionSpecifications(t.Context(), named)
		if err != nil || len(found) == 0 {
			return false
		}
		images, err := found[0].Options.LookupErr("changeStreamPreAndPostImages", "enabled")
		return err == nil && images.Boolean()
	}, time.Minute, 10*time.Millisecond)
}
