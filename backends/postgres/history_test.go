package postgres_test

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/backends/postgres/postgrestest"
	"github.com/secondgate/secondgate/protocol"
)

// TestOutsideHistories runs random statements of every kind with psql. The changes of the feed and
// of Since, applied in their order, must give the table.
func TestOutsideHistories(t *testing.T) {
	t.Parallel()
	histories := 30
	if testing.Short() {
		histories = 8
	}
	for lane := range 2 {
		t.Run(strconv.Itoa(lane), func(t *testing.T) {
			t.Parallel()
			b, url := fresh(t)
			for seed := lane; seed < histories; seed += 2 {
				postgrestest.PSQL(t, url, "DELETE FROM app_data")
				r, start := rand.New(rand.NewPCG(uint64(seed), 0)), now(t, b)
				f, followed := watch(t, b, start), map[string]protocol.Document{}
				for part := range 3 {
					var script strings.Builder
					for range 20 {
						script.WriteString(statement(r) + ";\n")
					}
					postgrestest.PSQL(t, url, script.String())
					require.Equal(
						t,
						copied(list(t, b)),
						fold(followed, changesNow(t, b, f)),
						"seed %d part %d: the feed",
						seed,
						part,
					)
				}
				require.Equal(
					t,
					copied(list(t, b)),
					fold(map[string]protocol.Document{}, since(t, b, start).Changes),
					"seed %d: since",
					seed,
				)
			}
		})
	}
}

// statement is a random statement of an outside writer. There are few keys, so statements collide.
func statement(r *rand.Rand) string {
	id := func() string { return fmt.Sprintf("'%c'", 'a'+r.IntN(5)) }
	data := func() string { return fmt.Sprintf(`'{"n": %d, "s": "%d"}'`, r.IntN(3), r.IntN(3)) }
	row := func() string { return fmt.Sprintf("('w', 'app', 'notes', %s, %s)", id(), data()) }
	switch r.IntN(14) {
	case 0, 1:
		return columns + row() + " ON CONFLICT DO NOTHING"
	case 2, 3:
		return columns + row() +
			" ON CONFLICT (workspace_id, app_id, collection, id) DO UPDATE SET data = excluded.data"
	case 4:
		return fmt.Sprintf(
			"BEGIN; DELETE FROM app_data WHERE id = %s; %s ON CONFLICT DO NOTHING; COMMIT",
			id(),
			columns+row(),
		)
	case 5, 6:
		return fmt.Sprintf("UPDATE app_data SET data = %s WHERE id = %s", data(), id())
	case 7:
		return fmt.Sprintf("UPDATE app_data SET data = %s, updated_at = '200%d-01-01Z'", data(), r.IntN(9))
	case 8:
		return fmt.Sprintf("UPDATE app_data SET created_at = '200%d-01-01Z' WHERE id = %s", r.IntN(9), id())
	case 9:
		return fmt.Sprintf(
			"UPDATE app_data AS d SET id = x.new FROM (SELECT %s AS new) AS x WHERE d.id = %s "+
				"AND NOT EXISTS (SELECT FROM app_data WHERE id = x.new)",
			id(),
			id(),
		)
	case 10:
		return "DELETE FROM app_data WHERE id = " + id()
	case 11:
		return "DELETE FROM app_data WHERE id > " + id()
	case 12:
		return fmt.Sprintf("BEGIN; SAVEPOINT x; UPDATE app_data SET data = %s; ROLLBACK TO x; DELETE FROM "+
			"app_data WHERE id = %s; SAVEPOINT x; %s ON CONFLICT DO NOTHING; COMMIT", data(), id(), columns+row())
	default:
		return fmt.Sprintf("BEGIN; %s ON CONFLICT DO NOTHING; DELETE FROM app_data; ROLLBACK", columns+row())
	}
}
