package postgres

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestSnapshotsCutShort: a snapshot is read back as it was written, and is refused without its end.
// Without its open transactions, it would say that their changes have been sent.
func TestSnapshotsCutShort(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 1000 {
		s := snapshot{xmax: 1000 + random.Uint64N(1<<40)}
		for range random.IntN(6) {
			s.xip = append(s.xip, s.xmax-1-random.Uint64N(900))
		}
		slices.Sort(s.xip)
		s.xip = slices.Compact(s.xip)
		written := s.append(nil)
		read, ok := decodeSnapshot(written)
		require.True(t, ok, "%v", s)
		require.Equal(t, s.xmax, read.xmax)
		require.True(t, slices.Equal(s.xip, read.xip), "%v became %v", s, read)
		for n := range written {
			_, ok := decodeSnapshot(written[:n])
			require.False(t, ok, "%v without its last %d bytes", s, len(written)-n)
		}
	}
}
