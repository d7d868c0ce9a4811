package backends

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"

	"github.com/secondgate/secondgate/protocol"
)

// Memory is what a driver keeps of a mutation, in the write's own transaction, so that it happens once.
type Memory struct {
	// Key is the mutation, then a short hash of whose it is. It begins with the id as it is: ids that grow with time
	// then lie side by side.
	Key []byte
	// At is when, in milliseconds since 1970.
	At int64
	// Digest is of the whole key and the request, so that a collision of keys is told apart.
	Digest []byte
	// Result is what a replay must repeat: see ParseResults.
	Result []byte
}

const (
	ownerBytes  = 8
	digestBytes = 16
)

// Result is what a replay must repeat of one write.
type Result struct {
	Op             Op
	Collection, ID string
}

// Remember makes the memory of tx, with what can be known of the result before the writes: all but for upserts.
func Remember(tx *Tx) *Memory {
	var owner []byte
	for _, part := range [...]string{tx.Scope.Workspace, tx.Scope.StoredApp(), tx.Principal} {
		owner = binary.AppendUvarint(owner, uint64(len(part)))
		owner = append(owner, part...)
	}
	whose := sha256.Sum256(owner)
	key := append([]byte(tx.Mutation), whose[:ownerBytes]...)
	digest := sha256.Sum256(append(append(whose[:], tx.Mutation...), tx.Digest[:]...))
	m := &Memory{Key: key, At: tx.At.UnixMilli(), Digest: digest[:digestBytes]}
	for i := range tx.Writes {
		w := &tx.Writes[i]
		m.Result = appendResult(m.Result, Result{w.Op, w.Collection, w.ID})
	}
	return m
}

// ResultOf is Memory.Result once all is decided.
func ResultOf(changes []Change) (result []byte) {
	for i := range changes {
		result = appendResult(result, Result{changes[i].Op, changes[i].Ref.Collection, changes[i].Ref.ID})
	}
	return result
}

func appendResult(dst []byte, r Result) []byte {
	dst = append(dst, byte(r.Op))
	for _, part := range [...]string{r.Collection, r.ID} {
		dst = binary.AppendUvarint(dst, uint64(len(part)))
		dst = append(dst, part...)
	}
	return dst
}

var errResult = errors.New("the memory of a mutation is damaged")

// ErrMismatch refuses another request under a mutation that is remembered.
var ErrMismatch = protocol.Errorf(protocol.CodeMutationMismatch, "this mutationId was used for another request: choose a new one")

// ParseResults reads Memory.Result.
func ParseResults(b []byte) (results []Result, err error) {
	for len(b) > 0 {
		r := Result{Op: Op(b[0])}
		b = b[1:]
		for _, part := range [...]*string{&r.Collection, &r.ID} {
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
