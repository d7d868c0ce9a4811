package sqlitetest

import (
	"database/sql"
	"encoding/binary"
	"time"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/conformance"
	"github.com/secondgate/secondgate/protocol"
)

// images records the state of a document for each row of the log. The log itself has only keys.
const images = `
CREATE TABLE test_images (
	seq INTEGER PRIMARY KEY, workspace_id, app_id, collection, id, data, created_at, updated_at);
CREATE TRIGGER test_images_kept AFTER INSERT ON app_data_changes BEGIN
	INSERT INTO test_images
	SELECT NEW.seq, NEW.workspace_id, NEW.app_id, NEW.collection, NEW.id, d.data, d.created_at, d.updated_at
	FROM (SELECT 1) LEFT JOIN app_data AS d ON d.workspace_id = NEW.workspace_id AND d.app_id = NEW.app_id
		AND d.collection = NEW.collection AND d.id = NEW.id;
END;
`

// Oracle reads a table that its own trigger fills.
func (Harness) Oracle(t conformance.T, b backends.Backend) conformance.Oracle {
	t.Helper()
	CLI(t, path(b), images)
	db, err := sql.Open("sqlite", "file:"+path(b)+"?_pragma=busy_timeout(5000)")
	if err != nil {
		t.Fatalf("oracle: %v", err)
	}
	t.Cleanup(func() { db.Close() })
	return func(t conformance.T, s protocol.Scope, c backends.Cursor) map[string]map[string]protocol.Document {
		t.Helper()
		state, err := at(db, s, seq(c))
		if err != nil {
			t.Fatalf("oracle: %v", err)
		}
		return state
	}
}

// seq is the position in a cursor's bytes. It follows the names of the backend and of the database.
func seq(c backends.Cursor) uint64 {
	n, _ := binary.Uvarint(c.Append(nil)[9:])
	return n
}

func at(db *sql.DB, s protocol.Scope, seq uint64) (map[string]map[string]protocol.Document, error) {
	const query = `SELECT collection, id, data, created_at, updated_at FROM test_images WHERE seq IN (
		SELECT max(seq) FROM test_images WHERE workspace_id = ? AND app_id = ? AND seq <= ? GROUP BY collection, id
	) AND data IS NOT NULL`
	rows, err := db.Query(query, s.Workspace, s.StoredApp(), seq)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	state := map[string]map[string]protocol.Document{}
	for rows.Next() {
		var collection, id string
		var data []byte
		var created, updated int64
		if err := rows.Scan(&collection, &id, &data, &created, &updated); err != nil {
			return nil, err
		}
		canonical, err := protocol.Canonical(data)
		if err != nil {
			continue // the document is withheld
		}
		if state[collection] == nil {
			state[collection] = map[string]protocol.Document{}
		}
		state[collection][id] = *protocol.NewDocument(id, protocol.Visible(canonical), time.UnixMilli(created),
			time.UnixMilli(updated))
	}
	return state, rows.Err()
}
