package postgres

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/protocol"
)

// connection is a connection that is ours alone.
type connection = *pgx.Conn

// insertSQL inserts many documents that have nothing to do with each other, with the memory of their mutations and their
// rows of the log, whose numbers are drawn once the documents are in place. It leaves out documents whose id is taken and
// mutations that are remembered, and returns those that it has inserted. It fails as a whole when two gateways carry out
// one mutation at once.
//
// The look-up of a mutation is a scalar subquery because the planner may turn NOT EXISTS into a join that reads the whole
// memory.
const insertSQL = `WITH input AS MATERIALIZED (
	SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::timestamptz[], $8::bytea[], $9::bytea[], $10::bytea[])
		AS i (actor, workspace_id, app_id, collection, id, data, at, key, digest, result)
), doc AS (
	INSERT INTO @.app_data (workspace_id, app_id, collection, id, data, created_at, updated_at)
	SELECT workspace_id, app_id, collection, id, data::jsonb, at, at FROM input
	WHERE key IS NULL OR (SELECT m.at FROM @.app_data_mutations AS m WHERE m.key = input.key LIMIT 1) IS NULL
	ON CONFLICT DO NOTHING RETURNING workspace_id, app_id, collection, id
), memory AS (
	INSERT INTO @.app_data_mutations (key, at, digest, result)
	SELECT key, at, digest, result FROM input JOIN doc USING (workspace_id, app_id, collection, id) WHERE key IS NOT NULL
)
INSERT INTO @.app_data_changes (workspace_id, app_id, collection, id, op, actor)
SELECT workspace_id, app_id, collection, id, 'insert', actor FROM input JOIN doc USING (workspace_id, app_id, collection, id)
RETURNING workspace_id, app_id, collection, id, xid::text, (SELECT token::text FROM @.app_data_epoch)`

// Both are settings of one transaction, so that a pooler's next client inherits neither. quietSQL keeps the trigger from
// logging the same again. briefSQL keeps a group from waiting for somebody's lock, an id that he has inserted and not
// committed: all would wait with it. Who is refused for that tries again alone.
const (
	quietSQL = "SELECT set_config('secondgate.gateway', 'on', true)"
	briefSQL = "SELECT set_config('secondgate.gateway', 'on', true), set_config('lock_timeout', '100ms', true)"
)

// insertGroup carries out runs in one transaction of the database. What it cannot, because an id is taken, a mutation is
// remembered or somebody is in the way, is not done afterwards. The error is one of the connection.
func (b *Backend) insertGroup(ctx context.Context, conn connection, runs []*run) error {
	together := map[protocol.Ref]*single{}
	var order []*single
	for _, r := range runs {
		for _, s := range r.singles {
			if together[s.change.Ref] == nil { // the same id again is refused, but not here
				together[s.change.Ref] = s
				order = append(order, s)
			}
		}
	}
	batch := &pgx.Batch{} // which is a transaction
	batch.Queue(briefSQL)
	batch.Queue(b.sql(insertSQL), columnsOf(order)...).Query(func(rows pgx.Rows) error { return b.stored(rows, together) })
	return settle(conn, conn.SendBatch(ctx, batch).Close(), order)
}

// settle takes back what was said of a transaction that failed in the end. Only a broken connection is an error: else
// nothing has happened, and each tries again alone.
func settle(conn connection, err error, order []*single) error {
	if err == nil {
		return nil
	}
	for _, s := range order {
		s.done, *s.out = false, backends.Outcome{}
	}
	if conn.IsClosed() {
		return errors.Join(err, errBroken)
	}
	return nil
}

// stored notes what the statement returns.
func (b *Backend) stored(rows pgx.Rows, by map[protocol.Ref]*single) error {
	var workspace, app, collection, id, xid string
	var token *string
	_, err := pgx.ForEachRow(rows, []any{&workspace, &app, &collection, &id, &xid, &token}, func() error {
		s := by[protocol.Ref{Scope: protocol.StoredScope(workspace, app), Collection: collection, ID: id}]
		number, err := strconv.ParseUint(xid, 10, 64)
		if err != nil || s == nil {
			return errors.Join(err, errBroken)
		}
		s.done = true
		if token == nil { // it is in, but nobody can say where: as good as not knowing, and not to be tried again here
			s.out.Err = errNoEpoch
			return nil
		}
		s.change.Commit = commit{epochOf(*token), number}
		s.out.Changes = []backends.Change{s.change}
		return nil
	})
	return err
}

// columnsOf are the parameters of insertSQL.
func columnsOf(order []*single) []any {
	n := len(order)
	actor, workspace, app := make([]string, n), make([]string, n), make([]string, n)
	collection, id, data := make([]string, n), make([]string, n), make([]string, n)
	at := make([]time.Time, n)
	key, digest, result := make([][]byte, n), make([][]byte, n), make([][]byte, n)
	for i, s := range order {
		r := s.change.Ref
		actor[i], workspace[i], app[i], collection[i], id[i] = s.tx.By.String(), r.Scope.Workspace, r.Scope.StoredApp(), r.Collection, r.ID
		data[i], at[i] = string(s.change.Doc.Data), s.change.Doc.Updated
		if m := s.memory; m != nil {
			key[i], digest[i], result[i] = m.Key, m.Digest, m.Result
		}
	}
	return []any{actor, workspace, app, collection, id, data, at, key, digest, result}
}
