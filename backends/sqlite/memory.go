package sqlite

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"

	"github.com/secondgate/secondgate/backends"
)

// memory is the row that makes a mutation happen once.
type memory struct {
	key    []byte // the mutation, then a short hash of whose it is
	at     int64
	digest []byte // of the whole key and the request, so that a collision of keys is told apart
	result []byte
}

const (
	ownerBytes  = 8
	digestBytes = 16
)

// result is what a replay must repeat of one write.
type result struct {
	op             backends.Op
	collection, id string
}

// remember makes the row, with what can be known of the result before the writes: all but for upserts.
func remember(tx *backends.Tx) *memory {
	var owner []byte
	for _, part := range [...]string{tx.Scope.Workspace, tx.Scope.StoredApp(), tx.Principal} {
		owner = binary.AppendUvarint(owner, uint64(len(part)))
		owner = append(owner, part...)
	}
	whose := sha256.Sum256(owner)
	key := append([]byte(tx.Mutation), whose[:ownerBytes]...)
	digest := sha256.Sum256(append(append(whose[:], tx.Mutation...), tx.Digest[:]...))
	m := &memory{key: key, at: tx.At.UnixMilli(), digest: digest[:digestBytes]}
	for i := range tx.Writes {
		w := &tx.Writes[i]
		m.result = appendResult(m.result, result{w.Op, w.Collection, w.ID})
	}
	return m
}

const rememberSQL = "INSERT INTO app_data_mutations (key, at, digest, result) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING"

// store tells whether the mutation is new.
func (m *memory) store(c *conn) (fresh bool, err error) {
	n, err := c.exec(context.Background(), rememberSQL, m.key, m.at, m.digest, m.result)
	return n > 0, err
}

func (m *memory) forget(c *conn) error {
	_, err := c.exec(context.Background(), "DELETE FROM app_data_mutations WHERE key = ?", m.key)
	return err
}

// amend completes the row once upserts have decided what they do.
func (m *memory) amend(c *conn, changes []backends.Change) error {
	var actual []byte
	for i := range changes {
		actual = appendResult(actual, result{changes[i].Op, changes[i].Ref.Collection, changes[i].Ref.ID})
	}
	if bytes.Equal(actual, m.result) {
		return nil
	}
	_, err := c.exec(context.Background(), "UPDATE app_data_mutations SET result = ? WHERE key = ?", actual, m.key)
	return err
}

// recall reads the row that was there before. It is another request's if the digests differ.
func (m *memory) recall(c *conn) (same bool, results []result, err error) {
	var digest, stored []byte
	const sql = "SELECT digest, result FROM app_data_mutations WHERE key = ?"
	if _, err := c.one(context.Background(), sql, []any{m.key}, &digest, &stored); err != nil {
		return false, nil, err
	}
	if !bytes.Equal(digest, m.digest) {
		return false, nil, nil
	}
	results, err = parseResults(stored)
	return true, results, err
}

func appendResult(dst []byte, r result) []byte {
	dst = append(dst, byte(r.op))
	for _, part := range [...]string{r.collection, r.id} {
		dst = binary.AppendUvarint(dst, uint64(len(part)))
		dst = append(dst, part...)
	}
	return dst
}

var errResult = errors.New("the memory of a mutation is damaged")

func parseResults(b []byte) (results []result, err error) {
	for len(b) > 0 {
		r := result{op: backends.Op(b[0])}
		b = b[1:]
		for _, part := range [...]*string{&r.collection, &r.id} {
			n, used := binary.Uvarint(b)
			if used <= 0 || n > uint64(len(b)-used) {
				return nil, errResult
			}
			*part, b = string(b[used:used+int(n)]), b[used+int(n):]
		}
		results = append(results, r)
	}
	return results, nil
}
