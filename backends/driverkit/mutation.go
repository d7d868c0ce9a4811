package driverkit

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/protocol"
)

// MutationRecord is the row that makes a mutation happen once. A driver stores it in the
// transaction of the writes.
type MutationRecord struct {
	// Key is the mutation id, then a short hash of its owner. It begins with the id itself, so ids
	// that grow with time lie side by side.
	Key []byte
	// At is in milliseconds since 1970.
	At int64
	// Digest is a hash of the whole key and of the request. It differs if two keys collide.
	Digest []byte
	// Result is what a replay repeats; see [MutationRecord.Replay].
	Result []byte
}

const (
	ownerBytes  = 8
	digestBytes = 16
)

// NewMutationRecord returns the record of tx, or nil if tx has no mutation id. Its Result is final
// unless tx has upserts: see SetResult.
func NewMutationRecord(tx *backends.Tx) *MutationRecord {
	if tx.Mutation == "" {
		return nil
	}
	var owner []byte
	for _, part := range [...]string{tx.Scope.Workspace, tx.Scope.StoredApp(), tx.Principal} {
		owner = binary.AppendUvarint(owner, uint64(len(part)))
		owner = append(owner, part...)
	}
	hash := sha256.Sum256(owner)
	key := append([]byte(tx.Mutation), hash[:ownerBytes]...)
	digest := sha256.Sum256(append(append(hash[:], tx.Mutation...), tx.Digest[:]...))
	m := &MutationRecord{Key: key, At: tx.At.UnixMilli(), Digest: digest[:digestBytes]}
	for i := range tx.Writes {
		w := &tx.Writes[i]
		m.Result = appendResult(m.Result, w.Op, w.Collection, w.ID)
	}
	return m
}

// SetResult sets Result to what was done, and reports whether that differs from what it was.
func (m *MutationRecord) SetResult(changes ...backends.Change) (differs bool) {
	var result []byte
	for i := range changes {
		result = appendResult(result, changes[i].Op, changes[i].Ref.Collection, changes[i].Ref.ID)
	}
	differs = !bytes.Equal(result, m.Result)
	m.Result = result
	return differs
}

func appendResult(dst []byte, op backends.Op, collection, id string) []byte {
	dst = append(dst, byte(op))
	for _, part := range [...]string{collection, id} {
		dst = binary.AppendUvarint(dst, uint64(len(part)))
		dst = append(dst, part...)
	}
	return dst
}

// ErrMismatch refuses a request whose mutation id was used for another request.
var ErrMismatch = protocol.Errorf(protocol.CodeMutationMismatch,
	"this mutationId was used for another request: choose a new one")

var errResult = errors.New("the record of a mutation is damaged")

// Replay answers tx with a record that was stored before, by digest and result. get reads a
// document as it is now, nil if there is none. It fails with ErrMismatch if the record is of
// another request.
func (m *MutationRecord) Replay(
	tx *backends.Tx, digest, result []byte, get func(protocol.Ref) (*protocol.Document, error),
) (changes []backends.Change, err error) {
	if !bytes.Equal(digest, m.Digest) {
		return nil, ErrMismatch
	}
	var results Results
	for len(result) > 0 {
		c := backends.Change{Op: backends.Op(result[0]), By: tx.By}
		c.Ref.Scope = tx.Scope
		result = result[1:]
		for _, part := range [...]*string{&c.Ref.Collection, &c.Ref.ID} {
			n, used := binary.Uvarint(result)
			if used <= 0 || n > uint64(len(result)-used) {
				return nil, errResult
			}
			*part, result = string(result[used:used+int(n)]), result[used+int(n):]
		}
		if c.Doc, err = get(c.Ref); err != nil {
			return nil, err
		}
		if !results.fits(tx, &c) {
			return nil, protocol.Errorf(protocol.CodeTooLarge,
				"the batch was carried out before, and its documents are over %d bytes now: read them", tx.MaxBytes)
		}
		changes = append(changes, c)
	}
	return changes, nil
}
