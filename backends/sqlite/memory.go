package sqlite

import (
	"bytes"
	"context"

	"github.com/secondgate/secondgate/backends"
)

// memory is the row that makes a mutation happen once.
type memory struct{ *backends.Memory }

const rememberSQL = "INSERT INTO app_data_mutations (key, at, digest, result) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING"

// store tells whether the mutation is new.
func (m *memory) store(c *conn) (fresh bool, err error) {
	n, err := c.exec(context.Background(), rememberSQL, m.Key, m.At, m.Digest, m.Result)
	return n > 0, err
}

func (m *memory) forget(c *conn) error {
	_, err := c.exec(context.Background(), "DELETE FROM app_data_mutations WHERE key = ?", m.Key)
	return err
}

// amend completes the row once upserts have decided what they do.
func (m *memory) amend(c *conn, changes []backends.Change) error {
	actual := backends.ResultOf(changes)
	if bytes.Equal(actual, m.Result) {
		return nil
	}
	_, err := c.exec(context.Background(), "UPDATE app_data_mutations SET result = ? WHERE key = ?", actual, m.Key)
	return err
}

// recall reads the row that was there before. It is another request's if the digests differ.
func (m *memory) recall(c *conn) (same bool, results []backends.Result, err error) {
	var digest, stored []byte
	const sql = "SELECT digest, result FROM app_data_mutations WHERE key = ?"
	if _, err := c.one(context.Background(), sql, []any{m.Key}, &digest, &stored); err != nil {
		return false, nil, err
	}
	if !bytes.Equal(digest, m.Digest) {
		return false, nil, nil
	}
	results, err = backends.ParseResults(stored)
	return true, results, err
}
