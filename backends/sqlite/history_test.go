package sqlite_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/backends/sqlite"
	"github.com/secondgate/secondgate/backends/sqlite/sqlitetest"
	"github.com/secondgate/secondgate/protocol"
)

// TestOutsideHistories runs random statements of every kind with sqlite3. The changes of the feed
// and of Since, applied in their order, must give the table.
func TestOutsideHistories(t *testing.T) {
	t.Parallel()
	histories, each := 120, 60
	if testing.Short() {
		histories = 30
	}
	for lane := range 4 {
		t.Run(strconv.Itoa(lane), func(t *testing.T) {
			t.Parallel()
			for seed := lane; seed < histories; seed += 4 {
				oneHistory(t, uint64(seed), each)
			}
		})
	}
}

func oneHistory(t *testing.T, seed uint64, statements int) {
	r := rand.New(rand.NewPCG(seed, 0))
	b := fresh(t)
	start := now(t, b)
	feed := watch(t, b, nil)
	folded := map[protocol.Ref]protocol.Document{}
	for part := range 3 {
		var script strings.Builder
		fmt.Fprintf(&script, "PRAGMA recursive_triggers = %d;\n", seed%2)
		for range statements / 3 {
			script.WriteString(statement(r) + ";\n")
		}
		script.WriteString("SELECT 'done';\n")
		out := sqlitetest.CLI(t, b.Path(), script.String())
		require.True(t, strings.HasSuffix(out, "done\n"), "seed %d part %d: %s", seed, part, out)
		fold(folded, next(t, feed).Changes)
		require.Equal(t, table(t, b), folded, "seed %d part %d: the feed", seed, part)
	}
	all := map[protocol.Ref]protocol.Document{}
	for _, s := range scopes {
		batch, err := b.Since(context.Background(), s, start, 0)
		require.NoError(t, err)
		fold(all, batch.Changes)
	}
	require.Equal(t, table(t, b), all, "seed %d: since", seed)
	require.NoError(t, feed.Close())
	require.NoError(t, b.Close())
}

var (
	scopes      = []protocol.Scope{{Workspace: "w", App: "app"}, {Workspace: "w", App: "app", Draft: true}}
	collections = []string{"notes", "tasks"}
)

func fold(into map[protocol.Ref]protocol.Document, changes []backends.Change) {
	for _, c := range changes {
		if c.Op == backends.Delete {
			delete(into, c.Ref)
		} else {
			into[c.Ref] = *c.Doc
		}
	}
}

func table(t *testing.T, b *sqlite.Backend) map[protocol.Ref]protocol.Document {
	t.Helper()
	state := map[protocol.Ref]protocol.Document{}
	for _, s := range scopes {
		for _, c := range collections {
			page, err := b.List(context.Background(), s, backends.Query{Collection: c})
			require.NoError(t, err)
			for _, doc := range page.Docs {
				state[protocol.Ref{Scope: s, Collection: c, ID: doc.ID}] = doc
			}
		}
	}
	return state
}

// statement is a random statement of an outside writer. There are few keys, so statements collide.
func statement(r *rand.Rand) string {
	ref := func() protocol.Ref {
		return protocol.Ref{Scope: scopes[r.IntN(2)], Collection: collections[r.IntN(2)],
			ID: string(rune('a' + r.IntN(5)))}
	}
	at := func(x protocol.Ref) string {
		return fmt.Sprintf(
			"'%s', '%s', '%s', '%s'",
			x.Scope.Workspace,
			x.Scope.StoredApp(),
			x.Collection,
			x.ID,
		)
	}
	is := func(x protocol.Ref) string {
		return "(workspace_id, app_id, collection, id) = (" + at(x) + ")"
	}
	data := func() string { return fmt.Sprintf(`'{"n": %d, "s": "%d"}'`, r.IntN(3), r.IntN(3)) }
	const into = "INTO app_data (workspace_id, app_id, collection, id, data"
	switch r.IntN(16) {
	case 0, 1:
		return fmt.Sprintf("INSERT OR IGNORE %s) VALUES (%s, %s)", into, at(ref()), data())
	case 2, 3:
		return fmt.Sprintf("REPLACE %s) VALUES (%s, %s)", into, at(ref()), data())
	case 4:
		return fmt.Sprintf("INSERT %s) VALUES (%s, %s) ON CONFLICT DO UPDATE SET data = excluded.data", into,
			at(ref()), data())
	case 5, 6:
		return fmt.Sprintf("UPDATE app_data SET data = %s WHERE %s", data(), is(ref()))
	case 7:
		return fmt.Sprintf("UPDATE app_data SET data = %s, updated_at = %d WHERE collection = '%s'", data(),
			1000+r.IntN(3), collections[r.IntN(2)])
	case 8:
		return fmt.Sprintf("UPDATE app_data SET created_at = %d WHERE %s", r.IntN(3), is(ref()))
	case 9:
		return fmt.Sprintf(
			"UPDATE OR REPLACE app_data SET (workspace_id, app_id, collection, id) = (%s) WHERE %s",
			at(ref()),
			is(ref()),
		)
	case 10:
		return fmt.Sprintf("UPDATE OR REPLACE app_data SET id = '%c', data = %s WHERE collection = '%s'",
			'a'+r.IntN(5), data(), collections[r.IntN(2)])
	case 11:
		return "DELETE FROM app_data WHERE " + is(ref())
	case 12:
		return fmt.Sprintf("DELETE FROM app_data WHERE id > '%c'", 'a'+r.IntN(5))
	case 13:
		x := ref()
		return fmt.Sprintf(
			"DELETE FROM app_data WHERE %s; REPLACE %s) VALUES (%s, %s)",
			is(x),
			into,
			at(x),
			data(),
		)
	case 14:
		return fmt.Sprintf(
			"BEGIN; REPLACE %s) VALUES (%s, %s); DELETE FROM app_data; ROLLBACK",
			into,
			at(ref()),
			data(),
		)
	default:
		return fmt.Sprintf("UPDATE app_data SET rev = 'x', data = json_set(data, '$.n', %d)", r.IntN(9))
	}
}
