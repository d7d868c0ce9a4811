package postgres

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/backends/driverkit"
	"github.com/secondgate/secondgate/protocol"
)

// transaction carries out one [backends.Tx] in two round trips. The first one locks and reads
// everything that the writes need. Once all is decided here, the second one stores and commits.
type transaction struct {
	backend  *Backend
	conn     connection
	tx       *backends.Tx
	patient  bool                      // it waits for locks as long as its caller does
	mutation *driverkit.MutationRecord // nil without a mutation id
	staged   *driverkit.Staged
	matches  map[int][]protocol.Document // candidates of upserts by filter, by the write's index
	many     map[int]bool                // there are more candidates than were read
	searches map[*backends.Write]*search // what the caller has found; nil: it has not searched
	changes  []backends.Change
	// What the commit's statements return: the transaction's number and the epoch's token.
	xid   string
	token *string
}

// run carries the transaction out. On an error nothing has happened, unless the connection is
// closed.
func (t *transaction) run(ctx context.Context) (out backends.Outcome, err error) {
	t.mutation = driverkit.NewMutationRecord(t.tx)
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
		return t.replay(ctx)
	}
	if errors.Is(err, errUnregistered) && !t.conn.IsClosed() {
		err = cmp.Or(t.backend.register(ctx, t.conn, t.backend.filterUses(t.tx)), errChanged)
	}
	var refused *backends.WriteError
	if isState(err, uniqueViolation) && !errors.As(err, &refused) {
		err = errChanged // another transaction stored the row after this one had looked for it
	}
	return out, err
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

// lockSQL looks documents up one by one, whatever the planner guesses, and locks them in the order
// in which they are asked for. So two transactions do not wait for each other.
const lockSQL = `SELECT n.collection, d.id, d.data::text, d.created_at, d.updated_at
	FROM unnest($3::text[], $4::text[]) AS n (collection, id)
	CROSS JOIN LATERAL (SELECT o.id, o.data, o.created_at, o.updated_at FROM @.app_data AS o
		WHERE o.workspace_id = $1 AND o.app_id = $2 AND o.collection = n.collection AND o.id = n.id
		LIMIT 1 FOR UPDATE) AS d`

// begin opens the transaction, locks and reads. replay is true if the mutation was carried out
// before.
func (t *transaction) begin(ctx context.Context) (replay bool, err error) {
	b, s := t.backend, t.tx.Scope
	t.staged, t.matches, t.many = driverkit.NewStaged(), map[int][]protocol.Document{}, map[int]bool{}
	filtered, unregistered := b.filterUses(t.tx), false
	batch := &pgx.Batch{}
	batch.Queue("BEGIN")
	if t.patient {
		batch.Queue(writeSettings)
	} else {
		batch.Queue(briefSettings)
	}
	if len(filtered) > 0 {
		batch.Queue(upsertSettings)
	}
	b.queueLocks(batch, filtered, &unregistered)
	if t.mutation != nil {
		batch.Queue(b.sql(knownMutationSQL), t.mutation.Key).Query(func(rows pgx.Rows) error {
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
	if err := t.conn.SendBatch(ctx, batch).Close(); err != nil {
		return false, err
	}
	if unregistered {
		return false, errUnregistered
	}
	return replay, nil
}

// named returns the documents that the writes name, in the order in which they are to be locked.
func (t *transaction) named() (collections, ids []string) {
	refs := t.staged.Named(t.tx)
	slices.SortFunc(refs, func(a, b protocol.Ref) int {
		return cmp.Or(cmp.Compare(a.Collection, b.Collection), cmp.Compare(a.ID, b.ID))
	})
	for _, r := range refs {
		if storable(r.Collection, r.ID) {
			collections, ids = append(collections, r.Collection), append(ids, r.ID)
		}
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
		t.load(collection, &r)
	}
	return rows.Err()
}

// load stages a row that was read under its lock.
func (t *transaction) load(collection string, r *row) *protocol.Document {
	doc := t.backend.document(t.tx.Scope, collection, r)
	t.staged.Loaded(protocol.Ref{Scope: t.tx.Scope, Collection: collection, ID: r.id}, doc)
	return doc
}

// finish decides the writes, stores and commits.
func (t *transaction) finish(ctx context.Context) ([]backends.Change, error) {
	batch := &pgx.Batch{}
	var results driverkit.Results
	for i := range t.tx.Writes {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		change, err := t.decide(ctx, i)
		if err == nil {
			err = results.Add(t.tx, &change)
		}
		if err != nil {
			if retryable(err) || isAway(err) {
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
	if m := t.mutation; m != nil {
		m.SetResult(t.changes...)
		batch.Queue(t.backend.sql(storeMutationSQL), m.Key, t.tx.At, m.Digest, m.Result)
	}
	batch.Queue("COMMIT")
	if err := t.conn.SendBatch(ctx, batch).Close(); err != nil {
		return nil, err
	}
	return t.changes, t.markCommit()
}

// decide decides a write on the documents as the writes before it have left them.
func (t *transaction) decide(ctx context.Context, i int) (backends.Change, error) {
	w := &t.tx.Writes[i]
	if driverkit.Target(t.tx, w).ID != "" {
		return t.staged.Apply(t.tx, w, t.staged.Find(t.tx, w))
	}
	found, err := t.newest(ctx, i)
	if err != nil {
		return backends.Change{}, err
	}
	return t.staged.Apply(t.tx, w, found)
}
