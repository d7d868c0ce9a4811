package mongodb

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestFieldsThatAreUsedOnce get no index, are not remembered for ever, and keep no other field from
// its index.
func TestFieldsThatAreUsedOnce(t *testing.T) {
	f := newFields()
	for i := range 5 * maxFields {
		require.False(t, f.due(fmt.Sprint("once", i), small))
	}
	require.Len(t, f.of, maxFields)
	for range maxRead/small - 1 {
		require.False(t, f.due("often", small))
	}
	require.True(t, f.due("often", small))
	require.False(t, f.due("often", small))
	require.True(t, f.due("once in a large collection", maxRead))
}

// TestIndexThatNobodyUses is replaced, the one that was not used for longest first.
func TestIndexThatNobodyUses(t *testing.T) {
	f := newFields()
	f.ready("a")
	f.ready("b")
	_, ok := f.replaceable([]string{"a", "b", "unknown"})
	require.False(t, ok, "a gateway that has just begun knows of no use")
	f.from = f.from.Add(-2 * unusedTime)
	field, ok := f.replaceable([]string{"a", "b", "unknown"})
	require.True(t, ok)
	require.Equal(t, "unknown", field)
	f.of["a"].at = time.Now().Add(-3 * unusedTime)
	field, _ = f.replaceable([]string{"a", "b", "unknown"})
	require.Equal(t, "a", field)
}
