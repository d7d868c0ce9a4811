package postgrestest

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/conformance"
	"github.com/secondgate/secondgate/protocol"
)

// images records each state of a document and its transaction, apart from the log that the feed
// reads. A trigger that runs after the row's change, so under its lock, draws the number that
// orders the states of one document. PostgreSQL itself tells which of them a cursor shows.
const images = `
CREATE TABLE test_images (
	n bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
	workspace_id text, app_id text, collection text COLLATE "C", id text COLLATE "C", data text,
	created_at timestamptz, updated_at timestamptz);
CREATE FUNCTION test_image() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
	IF TG_OP <> 'INSERT' THEN
		INSERT INTO test_images (workspace_id, app_id, collection, id)
		VALUES (OLD.workspace_id, OLD.app_id, OLD.collection, OLD.id);
	END IF;
	IF TG_OP <> 'DELETE' THEN
		INSERT INTO test_images (workspace_id, app_id, collection, id, data, created_at, updated_at)
		VALUES (NEW.workspace_id, NEW.app_id, NEW.collection, NEW.id, NEW.data::text,
			NEW.created_at, NEW.updated_at);
	END IF;
	RETURN NULL;
END $$;
CREATE TRIGGER test_image AFTER INSERT OR UPDATE OR DELETE ON app_data FOR EACH ROW
EXECUTE FUNCTION test_image();
ALTER TABLE app_data ENABLE ALWAYS TRIGGER test_image;`

// Oracle reads a table that its own trigger fills.
func (h *Harness) Oracle(t conformance.T, b backends.Backend) conformance.Oracle {
	t.Helper()
	return Record(t, h.url(b))
}

// Record is Oracle for the schema of a gateway's URL.
func Record(t conformance.T, url string) conformance.Oracle {
	t.Helper()
	PSQL(t, url, images)
	pool, err := pgxpool.New(t.Context(), ForClients(url))
	if err != nil {
		t.Fatalf("oracle: %v", err)
	}
	t.Cleanup(pool.Close)
	return func(t conformance.T, s protocol.Scope, c backends.Cursor) map[string]map[string]protocol.Document {
		t.Helper()
		state, err := at(t.Context(), pool, s, Snapshot(c))
		if err != nil { // the server may have been restarted
			pool.Reset()
			state, err = at(t.Context(), pool, s, Snapshot(c))
		}
		if err != nil {
			t.Fatalf("oracle: %v", err)
		}
		return state
	}
}

// Snapshot is the pg_snapshot of a cursor, as text.
func Snapshot(c backends.Cursor) string { return c.(interface{ Snapshot() string }).Snapshot() }

func at(
	ctx context.Context, pool *pgxpool.Pool, s protocol.Scope, snapshot string,
) (map[string]map[string]protocol.Document, error) {
	const query = `SELECT collection, id, data, created_at, updated_at FROM (
		SELECT DISTINCT ON (collection, id) * FROM test_images
		WHERE workspace_id = $1 AND app_id = $2
		AND pg_visible_in_snapshot(xid, $3::text::pg_snapshot) ORDER BY collection, id, n DESC
	) AS latest WHERE data IS NOT NULL`
	rows, err := pool.Query(ctx, query, s.Workspace, s.StoredApp(), snapshot)
	if err != nil {
		return nil, err
	}
	state := map[string]map[string]protocol.Document{}
	var collection, id, data string
	var created, updated time.Time
	_, err = pgx.ForEachRow(rows, []any{&collection, &id, &data, &created, &updated}, func() error {
		canonical, err := protocol.CanonicalDecimals([]byte(data))
		if err != nil {
			return nil // the document is withheld
		}
		if state[collection] == nil {
			state[collection] = map[string]protocol.Document{}
		}
		state[collection][id] = *protocol.NewDocument(id, protocol.Visible(canonical), created, updated)
		return nil
	})
	return state, err
}
