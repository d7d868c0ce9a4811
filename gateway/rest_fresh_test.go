package gateway_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/backends/sqlite/sqlitetest"
	"github.com/secondgate/secondgate/conformance/client"
	"github.com/secondgate/secondgate/gateway"
	"github.com/secondgate/secondgate/protocol"
)

// lagging answers reads from a snapshot that it keeps, as a database may that others write to,
// unless that is asked not to be.
type lagging struct {
	*faulty
	page backends.Page
}

func (l *lagging) List(ctx context.Context, s protocol.Scope, q backends.Query) (backends.Page, error) {
	if q.NotBefore == nil || l.page.Cursor.Reached(q.NotBefore) {
		return l.page, nil
	}
	return l.faulty.List(ctx, s, q)
}

func (l *lagging) Get(
	ctx context.Context, r protocol.Ref, notBefore backends.Cursor,
) (*protocol.Document, backends.Cursor, error) {
	if notBefore == nil || l.page.Cursor.Reached(notBefore) {
		return nil, l.page.Cursor, nil
	}
	return l.faulty.Get(ctx, r, notBefore)
}

func (l *lagging) Collections(
	ctx context.Context, s protocol.Scope, notBefore backends.Cursor,
) (map[string]int, error) {
	if notBefore == nil || l.page.Cursor.Reached(notBefore) {
		return map[string]int{}, nil
	}
	return l.faulty.Collections(ctx, s, notBefore)
}

// TestRESTReadsAreNotOlderThanStreams: what an event stream has told, be it ahead of the hub, REST
// shows.
func TestRESTReadsAreNotOlderThanStreams(t *testing.T) {
	t.Parallel()
	for name, ahead := range map[string]bool{
		"from the log": false, "from the database, ahead of the hub": true,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
			defer cancel()
			scope := protocol.Scope{Workspace: "w", App: "a"}
			b := &lagging{faulty: newFaulty((&sqlitetest.Harness{}).Open(t))}
			write := func(id string) {
				_, err := backends.WriteOne(
					ctx,
					b.Backend,
					backends.Tx{Scope: scope, At: time.Now(), Writes: []backends.Write{
						{Op: backends.Insert, Collection: "c", ID: id, Data: []byte(`{}`)}}},
				)
				require.NoError(t, err)
			}
			list := func() backends.Page {
				page, err := b.Backend.List(ctx, scope, backends.Query{Collection: "c"})
				require.NoError(t, err)
				return page
			}
			old := list().Cursor
			write("before")
			b.page = list()
			url := serve(t, b, func(c *gateway.Config) { c.LogBytes = 1 }) // so that old lies before the log
			if ahead {
				defer b.holdFeed()()
			}
			write("told")
			stream, err := client.OpenStream(
				ctx, client.StreamURL(url, scope, "cursor", protocol.EncodeCursor(scope, old.Append(nil))),
			)
			require.NoError(t, err)
			defer stream.Cut()
			for told := ""; told != "told"; {
				block, err := stream.Next(ctx)
				require.NoError(t, err)
				if block.Doc != nil {
					told = idOf(block.Doc)
				}
			}
			all, err := client.Do(ctx, "GET", client.DataURL(url, scope, "", "collection", "c"), "")
			require.NoError(t, err)
			require.Contains(t, all.Body, `"_id":"told"`)
			one, err := client.Do(ctx, "GET", client.DataURL(url, scope, "told", "collection", "c"), "")
			require.NoError(t, err)
			require.Equal(t, 200, one.Status)
			collections, err := client.Do(ctx, "GET", client.DataURL(url, scope, ""), "")
			require.NoError(t, err)
			require.Contains(t, collections.Body, `"_id":"told"`)
		})
	}
}
