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

// insertSQL inserts many documents with the records of their mutations and their rows of the log.
// The numbers of the log's rows are drawn once the documents are in place. It leaves out documents
// whose id is taken and mutations that are recorded, and returns the documents that it has
// inserted. It fails as a whole if two gateways carry out one mutation at once.
//
// The look-up of a mutation is a scalar subquery because the planner may turn NOT EXISTS into a
// join that reads all mutations.
const (
	insertSQL        = insertDocsSQL + insertLogSQL
	insertEntriesSQL = insertDocsSQL + `, entry AS (` + entryHeadSQL +
		`unnest($11::bigint[], $12::text[], $13::text[], $14::bytea[], $15::timestamptz[], $16::timestamptz[])` +
		entryTailSQL + `)` + insertLogSQL

	insertDocsSQL = `WITH input AS MATERIALIZED (
	SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[],
			$7::timestamptz[], $8::bytea[], $9::bytea[], $10::bytea[]) WITH ORDINALITY
		AS i (actor, workspace_id, app_id, collection, id, data, at, key, digest, result, n)
), doc AS (
	INSERT INTO @.app_data (workspace_id, app_id, collection, id, data, created_at, updated_at)
	SELECT workspace_id, app_id, collection, id, data::jsonb, at, at FROM input
	WHERE key IS NULL OR (SELECT m.at FROM @.app_data_mutations AS m WHERE m.key = input.key LIMIT 1) IS NULL
	ON CONFLICT DO NOTHING RETURNING workspace_id, app_id, collection, id
), mutation AS (
	INSERT INTO @.app_data_mutations (key, at, digest, result)
	SELECT key, at, digest, result FROM input JOIN doc USING (workspace_id, app_id, collection, id)
	WHERE key IS NOT NULL
)`
	insertLogSQL = `
INSERT INTO @.app_data_changes (workspace_id, app_id, collection, id, op, actor)
SELECT workspace_id, app_id, collection, id, 'insert', actor
FROM input JOIN doc USING (workspace_id, app_id, collection, id)
RETURNING workspace_id, app_id, collection, id, xid::text, (SELECT token::text FROM @.app_data_epoch)`

	// entryHeadSQL and entryTailSQL store the ledger entries of the documents that were stored. n is
	// the place of an entry's document in the input.
	entryHeadSQL = `
	INSERT INTO @.app_data_ledger (kind, key, body, at, expires)
	SELECT e.kind, e.key, e.body, e.at, e.expires FROM `
	entryTailSQL = ` AS e (n, kind, key, body, at, expires)
		JOIN input USING (n) JOIN doc USING (workspace_id, app_id, collection, id)
	ON CONFLICT (kind, key) DO UPDATE SET body = excluded.body, at = excluded.at, expires = excluded.expires`
)

// insertGroup carries out runs of inserts in one transaction of the database. It leaves an insert
// undone if its id is taken, its mutation is recorded or another transaction hinders it. The error
// is one of the connection.
func (b *Backend) insertGroup(ctx context.Context, conn connection, runs []*run) error {
	byRef := map[protocol.Ref]*single{}
	var group []*single
	for _, r := range runs {
		for _, s := range r.singles {
			if byRef[s.change.Ref] == nil { // a second insert of one id is refused, but not here
				byRef[s.change.Ref] = s
				group = append(group, s)
			}
		}
	}
	batch := &pgx.Batch{} // a batch is one transaction
	batch.Queue(briefSettings)
	sql, args := insertStatement(group)
	batch.Queue(b.sql(sql), args...).Query(func(rows pgx.Rows) error { return noteStored(rows, byRef) })
	return settleGroup(conn, conn.SendBatch(ctx, batch).Close(), group)
}

// settleGroup takes back the outcomes of a group whose transaction has failed. Only a broken
// connection is an error: otherwise nothing has happened, and each write is tried by itself.
func settleGroup(conn connection, err error, group []*single) error {
	if err == nil {
		return nil
	}
	for _, s := range group {
		s.done, *s.out = false, backends.Outcome{}
	}
	if conn.IsClosed() {
		return errors.Join(err, errBroken)
	}
	return nil
}

// noteStored sets the outcomes of the writes that a group's statement returns.
func noteStored(rows pgx.Rows, byRef map[protocol.Ref]*single) error {
	var workspace, app, collection, id, xid string
	var token *string
	_, err := pgx.ForEachRow(rows, []any{&workspace, &app, &collection, &id, &xid, &token}, func() error {
		s := byRef[protocol.Ref{Scope: protocol.StoredScope(workspace, app), Collection: collection, ID: id}]
		number, err := strconv.ParseUint(xid, 10, 64)
		if err != nil || s == nil {
			return errors.Join(err, errBroken)
		}
		s.done = true
		if token == nil {
			// It is stored, but its commit cannot be marked. It must not be tried again here.
			s.out.Err = errNoEpoch
			return nil
		}
		s.change.Commit = commit{epochOf(*token), number}
		s.out.Changes = []backends.Change{s.change}
		return nil
	})
	return err
}

// insertStatement is the statement that inserts a group's documents, with its parameters.
func insertStatement(group []*single) (sql string, args []any) {
	args = columnsOf(group)
	if entries := entryColumns(group); entries != nil {
		return insertEntriesSQL, append(args, entries...)
	}
	return insertSQL, args
}

// entryColumns returns the ledger entries of a group as parameters; nil if there are none.
func entryColumns(group []*single) []any {
	var n []int64
	var kind, key []string
	var body [][]byte
	var at, expires []*time.Time
	for i, s := range group {
		for _, e := range s.entries {
			n, kind, key = append(n, int64(i+1)), append(kind, e.Kind), append(key, e.Key)
			body, at = append(body, bodyOf(e)), append(at, nullable(e.At))
			expires = append(expires, nullable(e.Expires))
		}
	}
	if n == nil {
		return nil
	}
	return []any{n, kind, key, body, at, expires}
}

// columnsOf returns the parameters of insertSQL.
func columnsOf(group []*single) []any {
	n := len(group)
	actor, workspace, app := make([]string, n), make([]string, n), make([]string, n)
	collection, id, data := make([]string, n), make([]string, n), make([]string, n)
	at := make([]time.Time, n)
	key, digest, result := make([][]byte, n), make([][]byte, n), make([][]byte, n)
	for i, s := range group {
		r := s.change.Ref
		actor[i], workspace[i], app[i] = s.tx.By.String(), r.Scope.Workspace, r.Scope.StoredApp()
		collection[i], id[i] = r.Collection, r.ID
		data[i], at[i] = string(s.change.Doc.Data), s.change.Doc.Updated
		if m := s.mutation; m != nil {
			key[i], digest[i], result[i] = m.Key, m.Digest, m.Result
		}
	}
	return []any{actor, workspace, app, collection, id, data, at, key, digest, result}
}
