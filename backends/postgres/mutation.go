package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/protocol"
)

const (
	knownMutationSQL = "SELECT 1 FROM @.app_data_mutations WHERE key = $1"
	readMutationSQL  = "SELECT digest, result FROM @.app_data_mutations WHERE key = $1"
	storeMutationSQL = "INSERT INTO @.app_data_mutations (key, at, digest, result) VALUES ($1, $2, $3, $4)"
)

// replay answers a mutation that was recorded before.
func (t *transaction) replay(ctx context.Context) (out backends.Outcome, err error) {
	b := t.backend
	err = pgx.BeginTxFunc(ctx, t.conn, readOnly, func(tx pgx.Tx) error {
		var digest, result []byte
		if err := tx.QueryRow(ctx, b.sql(readMutationSQL), t.mutation.Key).Scan(&digest, &result); err != nil {
			return err
		}
		h, err := b.head(ctx, tx)
		if err != nil {
			return err
		}
		get := func(r protocol.Ref) (*protocol.Document, error) { return b.get(ctx, tx, r) }
		out = backends.Outcome{Replayed: true, Cursor: h.cursor}
		out.Changes, err = t.mutation.Replay(t.tx, digest, result, get)
		return err
	})
	if err != nil {
		return backends.Outcome{}, err
	}
	return out, nil
}

// get reads one document in a transaction, nil if there is none.
func (b *Backend) get(ctx context.Context, tx pgx.Tx, r protocol.Ref) (doc *protocol.Document, err error) {
	rows, err := tx.Query(ctx, b.sql(keySQL), r.Scope.Workspace, r.Scope.StoredApp(), r.Collection, r.ID)
	if err != nil {
		return nil, err
	}
	var found row
	_, err = pgx.ForEachRow(rows, found.into(), func() error {
		doc = b.document(r.Scope, r.Collection, &found)
		return nil
	})
	return doc, err
}
