package postgres

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"slices"
	"strconv"

	"github.com/jackc/pgx/v5"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/protocol"
)

// transaction carries out one backends.Tx in two round trips: everything that it needs is locked and read, then, once
// all has been decided here, stored and committed.
type transaction struct {
	backend *Backend
	conn    connection
	tx      *backends.Tx
	memory  *backends.Memory // nil without a mutation
	// state is what the documents are as of the writes so far; a document that is not there has an entry too.
	state   map[protocol.Ref]*state
	matches map[int][]protocol.Document // of upserts by filter, by the write's index
	many    map[int]bool                // more than were read match
	changes []backends.Change
	// What the database says of its commit: its number, and the epoch's token.
	xid   string
	token *string
}

// state is one document within a transaction.
type state struct {
	doc    *protocol.Document
	exists bool // also one that is withheld
}

// run carries it out. On an error nothing has happened, unless the connection is closed.
func (t *transaction) run(ctx context.Context) (out backends.Outcome, err error) {
	if t.tx.Mutation != "" {
		t.memory = backends.Remember(t.tx)
	}
	replay, err := t.begin(ctx)
	if err == nil && !replay {
		out.Changes, err = t.finish(ctx)
	}
	if err != nil || replay {
		if e := t.rollback(ctx); e != nil && err == nil {
			err = e
		}
	}
	if err == nil && replay {
		return t.replay(ctx, t.memory)
	}
	if isState(err, uniqueViolation) && t.raced(err) {
		err = errChanged
	}
	return out, err
}

// raced tells a row that somebody stored between our look and our storing: looking again finds it.
func (t *transaction) raced(err error) bool {
	var refused *backends.WriteError
	return !errors.As(err, &refused)
}

func (t *transaction) rollback(ctx context.Context) error {
	if t.conn.IsClosed() {
		return errBroken
	}
	if t.conn.PgConn().TxStatus() == 'I' {
		return nil
	}
	_, err := t.conn.Exec(ctx, "ROLLBACK")
	return err
}

const (
	memorySQL = "SELECT 1 FROM @.app_data_mutations WHERE key = $1"
	// lockSQL looks documents up one by one, whatever the planner's guess, and locks them in the order that is asked for, so
	// that two batches do not wait for each other.
	lockSQL = `SELECT n.collection, d.id, d.data::text, d.created_at, d.updated_at FROM unnest($3::text[], $4::text[]) AS n (collection, id)
		CROSS JOIN LATERAL (SELECT o.id, o.data, o.created_at, o.updated_at FROM @.app_data AS o
			WHERE o.workspace_id = $1 AND o.app_id = $2 AND o.collection = n.collection AND o.id = n.id LIMIT 1 FOR UPDATE) AS d`
)

// begin opens the transaction, locks and reads; true if it has been carried out before.
func (t *transaction) begin(ctx context.Context) (replay bool, err error) {
	b, s := t.backend, t.tx.Scope
	t.state, t.matches, t.many = map[protocol.Ref]*state{}, map[int][]protocol.Document{}, map[int]bool{}
	filtered := b.filtered(t.tx)
	if err := b.register(ctx, t.conn, filtered); err != nil {
		return false, err
	}
	batch := &pgx.Batch{}
	batch.Queue("BEGIN")
	if len(filtered) > 0 {
		batch.Queue(steerSQL)
	} else {
		batch.Queue(quietSQL)
	}
	b.queueLocks(batch, filtered)
	if t.memory != nil {
		batch.Queue(b.sql(memorySQL), t.memory.Key).Query(func(rows pgx.Rows) error {
			defer rows.Close()
			replay = rows.Next()
			rows.Close()
			return rows.Err()
		})
	}
	if collections, ids := t.named(); len(ids) > 0 {
		batch.Queue(b.sql(lockSQL), s.Workspace, s.StoredApp(), collections, ids).Query(t.takeLocked)
	}
	t.queueFilters(batch)
	return replay, t.conn.SendBatch(ctx, batch).Close()
}

// named are the documents that the writes name, sorted. Each has a state from here on.
func (t *transaction) named() (collections, ids []string) {
	var refs []protocol.Ref
	for i := range t.tx.Writes {
		w := &t.tx.Writes[i]
		id := w.ID
		if id == "" && w.Filter != nil {
			id = w.Filter.ID
		}
		if id == "" {
			continue
		}
		r := protocol.Ref{Scope: t.tx.Scope, Collection: w.Collection, ID: id}
		if t.state[r] == nil {
			t.state[r] = &state{}
			if storable(w.Collection, id) {
				refs = append(refs, r)
			}
		}
	}
	slices.SortFunc(refs, func(a, b protocol.Ref) int {
		return cmp.Or(cmp.Compare(a.Collection, b.Collection), cmp.Compare(a.ID, b.ID))
	})
	for _, r := range refs {
		collections, ids = append(collections, r.Collection), append(ids, r.ID)
	}
	return collections, ids
}

func (t *transaction) takeLocked(rows pgx.Rows) error {
	defer rows.Close()
	for rows.Next() {
		var collection string
		var r row
		if err := rows.Scan(append([]any{&collection}, r.into()...)...); err != nil {
			return err
		}
		t.know(collection, &r)
	}
	return rows.Err()
}

// know notes a stored document.
func (t *transaction) know(collection string, r *row) *protocol.Document {
	doc := t.backend.document(t.tx.Scope, collection, r)
	t.state[protocol.Ref{Scope: t.tx.Scope, Collection: collection, ID: r.id}] = &state{doc, true}
	return doc
}

// finish decides, stores and commits.
func (t *transaction) finish(ctx context.Context) ([]backends.Change, error) {
	batch := &pgx.Batch{}
	for i := range t.tx.Writes {
		change, err := t.decide(ctx, i)
		if err != nil {
			if again(err) || isAway(err) {
				return nil, err
			}
			return nil, &backends.WriteError{Index: i, Err: err}
		}
		t.changes = append(t.changes, change)
		t.queueStore(batch, change)
	}
	if t.tx.Entries != nil {
		for _, e := range t.tx.Entries(t.changes) {
			batch.Queue(t.backend.sql(putSQL), values(e)...)
		}
	}
	if m := t.memory; m != nil {
		m.Result = backends.ResultOf(t.changes)
		batch.Queue(t.backend.sql("INSERT INTO @.app_data_mutations (key, at, digest, result) VALUES ($1, $2, $3, $4)"), m.Key, t.tx.At, m.Digest, m.Result)
	}
	batch.Queue("COMMIT")
	if err := t.conn.SendBatch(ctx, batch).Close(); err != nil {
		return nil, err
	}
	return t.changes, t.sign()
}

// sign marks the changes with their commit.
func (t *transaction) sign() error {
	number, err := strconv.ParseUint(t.xid, 10, 64)
	if err != nil || t.token == nil {
		return errors.Join(err, errNoEpoch)
	}
	for i := range t.changes {
		t.changes[i].Commit = commit{epochOf(*t.token), number}
	}
	return nil
}

// decide has a write decided on what the writes before it have left.
func (t *transaction) decide(ctx context.Context, i int) (backends.Change, error) {
	w := &t.tx.Writes[i]
	found, err := t.find(ctx, i)
	if err != nil {
		return backends.Change{}, err
	}
	change, err := w.Apply(t.tx, found)
	if err != nil {
		return change, err
	}
	known := t.state[change.Ref]
	if change.Op == backends.Insert && known != nil && known.exists { // withheld, or not what the filter means
		return change, protocol.Errorf(protocol.CodeAlreadyExists, "there is already a document %q in %q", change.Ref.ID, change.Ref.Collection)
	}
	t.state[change.Ref] = &state{change.Doc, change.Doc != nil}
	return change, nil
}

// find is the document that a write is about.
func (t *transaction) find(ctx context.Context, i int) (*protocol.Document, error) {
	w := &t.tx.Writes[i]
	id := w.ID
	if id == "" && w.Filter != nil {
		id = w.Filter.ID
	}
	if id == "" {
		return t.newest(ctx, i)
	}
	known := t.state[protocol.Ref{Scope: t.tx.Scope, Collection: w.Collection, ID: id}]
	if known.doc == nil || w.Filter != nil && !w.Filter.Matches(known.doc) {
		return nil, nil
	}
	return known.doc, nil
}

// Each stores a document and logs that, in this order, so that the log's number is drawn under the row's lock.
const (
	storeSQL = `WITH doc AS (INSERT INTO @.app_data (workspace_id, app_id, collection, id, data, created_at, updated_at)
		VALUES ($1, $2, $3, $4, $7::text::jsonb, $8, $9) RETURNING 1)` + logSQL
	replaceSQL = `WITH doc AS (UPDATE @.app_data SET data = $7::text::jsonb, updated_at = $8
		WHERE workspace_id = $1 AND app_id = $2 AND collection = $3 AND id = $4 RETURNING 1)` + logSQL
	removeSQL = `WITH doc AS (DELETE FROM @.app_data WHERE workspace_id = $1 AND app_id = $2 AND collection = $3 AND id = $4 RETURNING 1)` + logSQL
	logSQL    = ` INSERT INTO @.app_data_changes (workspace_id, app_id, collection, id, op, actor)
		SELECT $1, $2, $3, $4, $5, $6 FROM doc RETURNING xid::text, (SELECT token::text FROM @.app_data_epoch)`
)

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

// replay answers a transaction that was carried out before, with the documents as they are now.
func (t *transaction) replay(ctx context.Context, m *backends.Memory) (out backends.Outcome, err error) {
	b := t.backend
	options := pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
	err = pgx.BeginTxFunc(ctx, t.conn, options, func(tx pgx.Tx) error {
		var digest, stored []byte
		if err := tx.QueryRow(ctx, b.sql("SELECT digest, result FROM @.app_data_mutations WHERE key = $1"), m.Key).Scan(&digest, &stored); err != nil {
			return err
		}
		if !bytes.Equal(digest, m.Digest) {
			return backends.ErrMismatch
		}
		h, err := b.head(ctx, tx)
		if err != nil {
			return err
		}
		out = backends.Outcome{Replayed: true, Cursor: h.cursor}
		out.Changes, err = t.remembered(ctx, tx, stored)
		return err
	})
	return out, err
}

// remembered are the changes of a mutation, with the documents as they are now.
func (t *transaction) remembered(ctx context.Context, tx pgx.Tx, stored []byte) (changes []backends.Change, err error) {
	results, err := backends.ParseResults(stored)
	if err != nil {
		return nil, err
	}
	s := t.tx.Scope
	for _, r := range results {
		change := backends.Change{Ref: protocol.Ref{Scope: s, Collection: r.Collection, ID: r.ID}, Op: r.Op, By: t.tx.By}
		rows, err := tx.Query(ctx, t.backend.sql(keySQL), s.Workspace, s.StoredApp(), r.Collection, r.ID)
		if err != nil {
			return nil, err
		}
		var found row
		if rows.Next() {
			if err := rows.Scan(found.into()...); err == nil {
				change.Doc = t.backend.document(s, r.Collection, &found)
			}
		}
		rows.Close()
		if err := rows.Err(); err != nil {
			return nil, err
		}
		changes = append(changes, change)
	}
	return slices.Clip(changes), nil
}
