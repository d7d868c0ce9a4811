package differential_test

import (
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/backends/model"
	"github.com/secondgate/secondgate/backends/model/modeltest"
	"github.com/secondgate/secondgate/backends/mongodb/mongodbtest"
	"github.com/secondgate/secondgate/backends/postgres/postgrestest"
	"github.com/secondgate/secondgate/backends/sqlite/sqlitetest"
	"github.com/secondgate/secondgate/conformance"
)

// database is one of those that are compared. The first is what the others are held to.
type database struct {
	name    string
	harness conformance.Harness
}

// databases are all there are. The model's dice are those of time only: it breaks no feed and loses
// no scope.
func databases() []database {
	return []database{
		{"model", &modeltest.Harness{Options: model.Options{Seed: 1, PreImage: -1, Break: -1}}},
		{"SQLite", sqlitetest.Harness{}},
		{"PostgreSQL", &postgrestest.Harness{}},
		{"MongoDB", &mongodbtest.Harness{}},
	}
}

// TestDifferential carries out one history on every database. SECONDGATE_DIFFERENTIAL is how many
// writes it has at least, SECONDGATE_DIFFERENTIAL_SEED is another history.
func TestDifferential(t *testing.T) {
	t.Parallel()
	writes := number("SECONDGATE_DIFFERENTIAL", 3000)
	if testing.Short() {
		writes = number("SECONDGATE_DIFFERENTIAL", 500)
	}
	seed := uint64(number("SECONDGATE_DIFFERENTIAL_SEED", 1))
	begun := time.Now()
	r := newRun(t, seed, databases())
	err := r.play(writes)
	t.Logf("seed %d, %d steps in %v: %s", seed, r.number, time.Since(begun).Round(100*time.Millisecond), r.did)
	require.NoError(t, err)
	if writes >= 3000 {
		r.did.enough(t)
	}
}

// number is a whole number of the environment.
func number(name string, otherwise int) int {
	if n, err := strconv.Atoi(os.Getenv(name)); err == nil {
		return n
	}
	return otherwise
}
