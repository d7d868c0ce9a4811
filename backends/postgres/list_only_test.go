package postgres_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/backends/postgres/postgrestest"
	"github.com/secondgate/secondgate/protocol"
)

// TestListOnly: a list that looks for a text leaves other documents out by itself. One that looks
// for a number finds every number that clients see as it, whatever another program has stored.
func TestListOnly(t *testing.T) {
	b, url := fresh(t)
	for i := range 20 {
		write(t, b, tx(insert(fmt.Sprint("d", i), fmt.Sprintf(`{"n":%d,"v":"%d"}`, i%3, i%2))))
	}
	postgrestest.PSQL(t, url, `INSERT INTO app_data (workspace_id, app_id, collection, id, data)
		SELECT workspace_id, app_id, collection, 'other', '{"n":1.00000000000000000001,"v":"1"}' FROM app_data LIMIT 1`)
	only := func(field, value string) (ids []string) {
		filter := protocol.Filter{Conditions: []protocol.Condition{{Field: field, Value: []byte(value)}}}
		page, err := b.List(t.Context(), scope, backends.Query{Collection: "notes", Only: &filter})
		require.NoError(t, err)
		for i := range page.Docs {
			if field == "v" || filter.Matches(&page.Docs[i]) {
				ids = append(ids, page.Docs[i].ID)
			}
		}
		return ids
	}
	require.Len(t, only("v", `"1"`), 11)
	require.Contains(t, only("n", `1`), "other", "it is 1 to clients")
	postgrestest.PSQL(t, url, `INSERT INTO app_data (workspace_id, app_id, collection, id, data)
		SELECT workspace_id, app_id, collection, 'many' || n, jsonb_build_object('v', 'v' || n, 'filler', repeat('x', 300))
		FROM (SELECT * FROM app_data LIMIT 1) AS one, generate_series(1, 20000) AS n; ANALYZE app_data`)
	plan := postgrestest.PSQL(
		t,
		url,
		`BEGIN; EXPLAIN DECLARE page NO SCROLL CURSOR FOR SELECT id FROM app_data
		WHERE workspace_id || '' = 'w' AND app_id || '' = 'app' AND collection || '' = 'notes'
		AND data @> '{"v":"v77"}'::text::jsonb ORDER BY updated_at DESC, id`,
	)
	require.True(t, strings.Contains(plan, "app_data_by_value"), plan)
}
