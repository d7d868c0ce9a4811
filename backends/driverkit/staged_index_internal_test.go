package driverkit

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/protocol"
)

// TestFewCandidates: an upsert looks only at staged documents with the rarest member that it names.
func TestFewCandidates(t *testing.T) {
	t.Parallel()
	tx := &backends.Tx{At: time.Unix(1, 0)}
	s := NewStaged()
	for i := range 1000 {
		data := fmt.Appendf(nil, `{"hot":1,"n":%d,"o%d":{"x":1}}`, i, i)
		s.Loaded(protocol.Ref{Collection: "notes", ID: fmt.Sprint(i)}, protocol.NewDocument("", data, tx.At, tx.At))
	}
	s.index = newStagedIndex(s.Docs)
	for filter, want := range map[string]int{
		`{"n":7}`: 1, `{"hot":1,"n":7}`: 1, `{"hot":2,"n":7}`: 0, `{"o7.x":1}`: 1, `{"hot":1}`: 1000, "{}": 1000,
	} {
		f, err := protocol.ParseFilter([]byte(filter), true)
		require.NoError(t, err)
		found := s.index.candidates(tx, &backends.Write{Collection: "notes", Filter: &f})
		require.Len(t, found, want, filter)
	}
}
