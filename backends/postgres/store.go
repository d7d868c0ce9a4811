package postgres

import (
	"errors"
	"strconv"

	"github.com/jackc/pgx/v5"

	"github.com/secondgate/secondgate/backends"
)

// Each statement stores a document and logs that. The order matters: the number of the log's row
// must be drawn under the document's lock.
const (
	storeSQL = `WITH doc AS (
		INSERT INTO @.app_data (workspace_id, app_id, collection, id, data, created_at, updated_at)
		VALUES ($1, $2, $3, $4, $7::text::jsonb, $8, $9) RETURNING 1)` + logSQL
	replaceSQL = `WITH doc AS (UPDATE @.app_data SET data = $7::text::jsonb, updated_at = $8
		WHERE workspace_id = $1 AND app_id = $2 AND collection = $3 AND id = $4 RETURNING 1)` + logSQL
	removeSQL = `WITH doc AS (DELETE FROM @.app_data
		WHERE workspace_id = $1 AND app_id = $2 AND collection = $3 AND id = $4 RETURNING 1)` + logSQL
	logSQL = ` INSERT INTO @.app_data_changes (workspace_id, app_id, collection, id, op, actor)
		SELECT $1, $2, $3, $4, $5, $6 FROM doc RETURNING xid::text, (SELECT token::text FROM @.app_data_epoch)`
)

// These settings last for one transaction, so a pooler's next client does not inherit them.
const (
	// writeSettings keeps the trigger from logging what the gateway logs itself.
	writeSettings = "SELECT set_config('secondgate.gateway', 'on', true)"
	// briefSettings also bounds the wait for another transaction's lock, such as that on an id
	// which it has inserted and not committed: a whole group would wait, or connections that others
	// need. What is refused for that is tried again: see [Backend.writeOnce].
	briefSettings = writeSettings + ", set_config('lock_timeout', '100ms', true)"
	// upsertSettings also makes the planner use indexes. It then gives plans that need a sequential
	// scan so high a cost that PostgreSQL compiles them, which took each upsert a tenth of a
	// second; hence jit.
	upsertSettings = writeSettings +
		", set_config('enable_seqscan', 'off', true), set_config('jit', 'off', true)"
)

// queueStore queues the statement that stores a change.
func (t *transaction) queueStore(batch *pgx.Batch, c backends.Change) {
	b, r := t.backend, c.Ref
	args := []any{r.Scope.Workspace, r.Scope.StoredApp(), r.Collection, r.ID, c.Op.String(), t.tx.By.String()}
	sql := removeSQL
	switch c.Op {
	case backends.Insert:
		sql, args = storeSQL, append(args, string(c.Doc.Data), c.Doc.Created, c.Doc.Updated)
	case backends.Update:
		sql, args = replaceSQL, append(args, string(c.Doc.Data), c.Doc.Updated)
	}
	batch.Queue(b.sql(sql), args...).QueryRow(func(r pgx.Row) error { return r.Scan(&t.xid, &t.token) })
}

// markCommit marks the changes with their commit.
func (t *transaction) markCommit() error {
	number, err := strconv.ParseUint(t.xid, 10, 64)
	if err != nil || t.token == nil {
		return errors.Join(err, errNoEpoch)
	}
	for i := range t.changes {
		t.changes[i].Commit = commit{epochOf(*t.token), number}
	}
	return nil
}
