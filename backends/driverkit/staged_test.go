package driverkit_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/backends/driverkit"
	"github.com/secondgate/secondgate/protocol"
)

func refOf(id string) protocol.Ref { return protocol.Ref{Collection: "notes", ID: id} }

func write(op backends.Op, id string) backends.Write {
	return backends.Write{Op: op, Collection: "notes", ID: id, Data: []byte(`{"n":1}`)}
}

// TestUndoRestoresDocuments: after Undo, the staged documents are as they were at Begin.
func TestUndoRestoresDocuments(t *testing.T) {
	s := driverkit.NewStaged()
	tx := &backends.Tx{At: time.Unix(1, 0), Writes: []backends.Write{
		write(backends.Update, "a"), write(backends.Insert, "b"), write(backends.Delete, "a"),
	}}
	require.Equal(t, []protocol.Ref{refOf("a"), refOf("b")}, s.Named(tx))
	before := protocol.NewDocument("a", []byte("{}"), tx.At, tx.At)
	s.Loaded(refOf("a"), before)
	s.Begin()
	for i := range tx.Writes {
		w := &tx.Writes[i]
		_, err := s.Apply(tx, w, s.Find(tx, w))
		require.NoError(t, err)
	}
	require.Equal(t, driverkit.StagedDoc{Changed: true}, *s.Docs[refOf("a")])
	require.True(t, s.Docs[refOf("b")].Created)
	s.Undo()
	require.Equal(t, driverkit.StagedDoc{Doc: before, Exists: true}, *s.Docs[refOf("a")])
	require.Equal(t, driverkit.StagedDoc{}, *s.Docs[refOf("b")])
}

// TestInsertMeetsWithheldDocument: a withheld document is not found, but its id is taken.
func TestInsertMeetsWithheldDocument(t *testing.T) {
	s := driverkit.NewStaged()
	tx := &backends.Tx{At: time.Unix(1, 0), Writes: []backends.Write{write(backends.Insert, "a")}}
	s.Named(tx)
	s.Loaded(refOf("a"), nil)
	w := &tx.Writes[0]
	_, err := s.Apply(tx, w, s.Find(tx, w))
	var refused *protocol.Error
	require.ErrorAs(t, err, &refused)
	require.Equal(t, protocol.CodeAlreadyExists, refused.Code)
}

// TestReplayRepeatsChanges: a record replays what was done, with the documents as they are now, and
// refuses another request or a damaged record.
func TestReplayRepeatsChanges(t *testing.T) {
	writes := []backends.Write{write(backends.Upsert, "a"), write(backends.Delete, "b")}
	tx := &backends.Tx{Mutation: "m", Writes: writes}
	m := driverkit.NewMutationRecord(tx)
	done := []backends.Change{{Ref: refOf("a"), Op: backends.Insert}, {Ref: refOf("b"), Op: backends.Delete}}
	require.True(t, m.SetResult(done...), "the upsert was an insert")
	require.False(t, m.SetResult(done...))
	now := protocol.NewDocument("a", []byte("{}"), time.Unix(1, 0), time.Unix(1, 0))
	get := func(r protocol.Ref) (*protocol.Document, error) {
		if r == refOf("a") {
			return now, nil
		}
		return nil, nil
	}
	changes, err := m.Replay(tx, m.Digest, m.Result, get)
	require.NoError(t, err)
	done[0].Doc = now
	require.Equal(t, done, changes)

	_, err = m.Replay(tx, []byte("another"), m.Result, get)
	require.ErrorIs(t, err, driverkit.ErrMismatch)
	_, err = m.Replay(tx, m.Digest, m.Result[:len(m.Result)-1], get)
	require.ErrorContains(t, err, "damaged")
	require.Nil(t, driverkit.NewMutationRecord(&backends.Tx{}))
}
