package model_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/backends/model"
	"github.com/secondgate/secondgate/backends/model/modeltest"
	"github.com/secondgate/secondgate/conformance"
	"github.com/secondgate/secondgate/protocol"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestConformance(t *testing.T) {
	seeds := []uint64{1, 2, 3}
	if testing.Short() {
		seeds = seeds[:1]
	}
	for _, seed := range seeds {
		t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) {
			conformance.Run(t, &modeltest.Harness{Options: model.Options{Seed: seed}})
		})
	}
}

// TestMutationsExpireAfter24Hours: nobody may rely on a longer time.
func TestMutationsExpireAfter24Hours(t *testing.T) {
	now := time.Now()
	b := model.New(model.Options{Now: func() time.Time { return now }})
	defer b.Close()
	write := func() backends.Outcome {
		o, err := backends.WriteOne(t.Context(), b, backends.Tx{
			Scope: protocol.Scope{Workspace: "w", App: "a"}, At: now, Mutation: "m",
			Writes: []backends.Write{{Op: backends.Upsert, Collection: "notes", ID: "a", Data: []byte("{}")}},
		})
		require.NoError(t, err)
		return o
	}
	require.False(t, write().Replayed)
	now = now.Add(24 * time.Hour)
	require.True(t, write().Replayed)
	now = now.Add(time.Millisecond)
	require.False(t, write().Replayed)
}

// TestReadsLag: reads without a bound often answer from an old snapshot.
func TestReadsLag(t *testing.T) {
	b := model.New(model.Options{Seed: 1})
	defer b.Close()
	ref := protocol.Ref{Scope: protocol.Scope{Workspace: "w", App: "a"}, Collection: "notes", ID: "a"}
	stale := 0
	for i := range 200 {
		data := fmt.Sprintf(`{"n":%d}`, i)
		replace := func(x model.OutsideTx) error { return x.Replace(ref, data) }
		require.NoError(t, b.Outside(t.Context(), true, replace))
		d, _, err := b.Get(t.Context(), ref, nil)
		require.NoError(t, err)
		if d == nil || string(d.Data) != data {
			stale++
		}
	}
	require.Greater(t, stale, 50, "reads without a bound must lag")
}
