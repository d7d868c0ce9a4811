package differential_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// tally is how often a run has done each thing.
type tally map[string]int

// count adds what a request was and, of writes, what came of it.
func (d tally) count(q request, answer string) {
	w, ok := q.(writing)
	if !ok {
		d[strings.TrimPrefix(fmt.Sprintf("%T", q), "differential_test.")]++
		return
	}
	d["calls"]++
	d["transactions"] += len(w.txs)
	for _, tx := range w.txs {
		d["writes"] += len(tx.Writes)
	}
	d["refused"] += strings.Count(answer, "] refused at ")
	for _, index := range "12345" {
		d["refused midway"] += strings.Count(answer, "] refused at "+string(index)+":")
	}
	d["replayed"] += strings.Count(answer, "] replayed")
	d["mismatches"] += strings.Count(answer, "] mutation_mismatch")
}

// enough fails the test unless everything that histories are there for has come about in this one.
func (d tally) enough(t *testing.T) {
	t.Helper()
	for _, what := range []string{"refused", "refused midway", "replayed", "mismatches", "reading", "listing", "querying", "counting", "settling", "mirroring",
		"marking", "catchingUp", "missing", "resuming", "putting", "taking", "finding"} {
		require.NotZero(t, d[what], what)
	}
}

func (d tally) String() string {
	var parts []string
	for _, what := range slices.Sorted(maps.Keys(d)) {
		parts = append(parts, fmt.Sprint(d[what], " ", what))
	}
	return strings.Join(parts, ", ")
}
