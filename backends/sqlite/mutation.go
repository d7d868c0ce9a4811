package sqlite

import (
	"context"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/backends/driverkit"
	"github.com/secondgate/secondgate/protocol"
)

// mutation is the record of a mutation in the table app_data_mutations.
type mutation struct{ *driverkit.MutationRecord }

const storeMutationSQL = `INSERT INTO app_data_mutations (key, at, digest, result) VALUES (?, ?, ?, ?)
	ON CONFLICT DO NOTHING`

// store stores the record before the writes. fresh is false if the mutation was recorded before.
func (m *mutation) store(c *conn) (fresh bool, err error) {
	n, err := c.exec(context.Background(), storeMutationSQL, m.Key, m.At, m.Digest, m.Result)
	return n > 0, err
}

func (m *mutation) remove(c *conn) error {
	_, err := c.exec(context.Background(), "DELETE FROM app_data_mutations WHERE key = ?", m.Key)
	return err
}

// amend corrects the stored result once upserts have been decided.
func (m *mutation) amend(c *conn, changes []backends.Change) error {
	if !m.SetResult(changes...) {
		return nil
	}
	const sql = "UPDATE app_data_mutations SET result = ? WHERE key = ?"
	_, err := c.exec(context.Background(), sql, m.Result, m.Key)
	return err
}

// replay answers a mutation that was recorded before.
func (t *transaction) replay() (err error) {
	var digest, result []byte
	const sql = "SELECT digest, result FROM app_data_mutations WHERE key = ?"
	conn := t.writer.conn
	if _, err := conn.one(context.Background(), sql, []any{t.mutation.Key}, &digest, &result); err != nil {
		return err
	}
	get := func(r protocol.Ref) (*protocol.Document, error) {
		doc, _, err := t.writer.backend.get(conn, r)
		return doc, err
	}
	t.job.out.Changes, err = t.mutation.Replay(t.tx, digest, result, get)
	t.job.out.Replayed = err == nil
	return err
}
