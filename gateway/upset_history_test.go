package gateway_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/backends/mongodb/mongodbtest"
	"github.com/secondgate/secondgate/backends/postgres/postgrestest"
	"github.com/secondgate/secondgate/backends/sqlite"
	"github.com/secondgate/secondgate/backends/sqlite/sqlitetest"
	"github.com/secondgate/secondgate/conformance"
	"github.com/secondgate/secondgate/conformance/history"
)

// upsets open a database, and say what happens to it within a history.
var upsets = map[string]func(t *testing.T) (conformance.Harness, backends.Backend, []history.Upset){
	"sqlite restored":      restoredSQLite,
	"postgres killed":      killedPostgres,
	"postgres failed over": failedOverPostgres,
	"postgres restored":    restoredPostgres,
}

// longUpsets are those of MongoDB, each of which takes a minute on a busy machine.
var longUpsets = map[string]func(t *testing.T) (conformance.Harness, backends.Backend, []history.Upset){
	"killed":      killedMongoDB,
	"failed over": failedOverMongoDB,
	"restored":    restoredMongoDB,
}

// TestUpsetHistory: random histories in which the database crashes, fails over or is restored, while
// clients stay connected. Each client recovers after each upset, on the connection that it had
// unless it is one that is cut. In the end its copy is the database's state, and the database has
// what it should have kept of the acknowledged writes.
func TestUpsetHistory(t *testing.T) {
	if testing.Short() {
		t.Log("the run without the race detector has it: it makes servers that are killed and restored slow")
		return
	}
	t.Parallel()
	for name, open := range upsets {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			history.Check(t, upsetHistory(t, open))
		})
	}
}

// TestUpsetHistoryMongoDB is TestUpsetHistory over MongoDB. `make upset-histories` runs it.
func TestUpsetHistoryMongoDB(t *testing.T) {
	if os.Getenv("SECONDGATE_UPSETS") == "" {
		t.Skip("make upset-histories runs it")
	}
	for name, open := range longUpsets {
		t.Run(name, func(t *testing.T) { history.Check(t, upsetHistory(t, open)) })
	}
}

func upsetHistory(
	t *testing.T, open func(t *testing.T) (conformance.Harness, backends.Backend, []history.Upset),
) history.History {
	h, b, list := open(t)
	run := historyOver(t, h, b)
	run.Upsets, run.Seed, run.Duration, run.Writers = list, 5, time.Second, 3
	run.SocketClients, run.StreamClients = 12, 6
	run.Least = history.Counts{Upsets: int64(len(list)), Settled: 60, Kept: 10}
	return run
}

// restoredSQLite is restored online from a copy that is made within the run, twice.
func restoredSQLite(t *testing.T) (conformance.Harness, backends.Backend, []history.Upset) {
	h := sqlitetest.Harness{}
	b := h.Open(t).(*sqlite.Backend)
	file := filepath.Join(t.TempDir(), "copy.db")
	run := func(command string) func() error {
		return untilDone("busy|locked", func() (string, error) {
			return sqlitetest.TryCLI(b.Path(), command+" "+file)
		})
	}
	copied := history.Upset{Do: run(".backup")}
	restored := history.Upset{Do: run(".restore"), Loses: history.SinceLast}
	return h, b, []history.Upset{copied, restored, copied, restored}
}

// untilDone does again what fails for a passing reason: where its output matches. Its error has the
// output.
func untilDone(passing string, do func() (out string, err error)) func() error {
	return func() error {
		for {
			out, err := do()
			if err == nil {
				return nil
			}
			if !regexp.MustCompile(passing).MatchString(out) {
				return fmt.Errorf("%w: %s", err, out)
			}
		}
	}
}

// killedPostgres crashes and recovers, twice.
func killedPostgres(t *testing.T) (conformance.Harness, backends.Backend, []history.Upset) {
	server := postgrestest.Start(t)
	h := &postgrestest.Harness{Server: server.URL()}
	kill := history.Upset{Do: func() error { return errors.Join(server.Kill9(), server.Restart()) }}
	return h, h.Open(t), []history.Upset{kill, kill}
}

// failedOverPostgres crashes and a standby takes over, to which each commit had been copied.
func failedOverPostgres(t *testing.T) (conformance.Harness, backends.Backend, []history.Upset) {
	primary := postgrestest.Start(t)
	standby := primary.Standby(t)
	postgrestest.PSQL(t, primary.URL(), "ALTER SYSTEM SET synchronous_standby_names = '*'")
	postgrestest.PSQL(t, primary.URL(), "SELECT pg_reload_conf()")
	require.Eventually(t, func() bool {
		state, err := postgrestest.TryPSQL(primary.URL(), "SELECT sync_state FROM pg_stat_replication")
		return err == nil && state == "sync"
	}, time.Minute, 10*time.Millisecond)
	h := &postgrestest.Harness{Server: fmt.Sprintf("postgres://postgres@127.0.0.1:%d,127.0.0.1:%d/postgres"+
		"?sslmode=disable&target_session_attrs=read-write", primary.Port(), standby.Port())}
	return h, h.Open(t), []history.Upset{{Do: func() error {
		err := primary.Kill9()
		standby.Promote(t)
		return err
	}}}
}

// restoredPostgres gets a dump that is made within the run in place of its schema.
func restoredPostgres(t *testing.T) (conformance.Harness, backends.Backend, []history.Upset) {
	h := &postgrestest.Harness{}
	b := h.Open(t)
	url, file := h.URLOf(b), filepath.Join(t.TempDir(), "dump.sql")
	dump := func() error {
		postgrestest.Dump(t, url, file)
		return nil
	}
	restore := untilDone("deadlock detected", func() (string, error) {
		return postgrestest.TryPSQL(
			url, "BEGIN;\nDROP SCHEMA "+postgrestest.SchemaOf(url)+" CASCADE;\n\\i "+file+"\nCOMMIT;",
		)
	})
	return h, b, []history.Upset{{Do: dump}, {Do: restore, Loses: history.SinceLast}}
}

// killedMongoDB crashes and recovers, twice.
func killedMongoDB(t *testing.T) (conformance.Harness, backends.Backend, []history.Upset) {
	server := mongodbtest.Start(t)
	h := &mongodbtest.Harness{Server: server.URL("test")}
	kill := history.Upset{Do: func() error {
		return errors.Join(server.Kill9(), server.Restart(), server.Primary())
	}}
	return h, h.Open(t), []history.Upset{kill, kill}
}

// failedOverMongoDB loses its primary, and gets it back as a secondary.
func failedOverMongoDB(t *testing.T) (conformance.Harness, backends.Backend, []history.Upset) {
	set := mongodbtest.StartSet(t)
	h := &mongodbtest.Harness{Server: set.URL("test")}
	return h, h.Open(t), []history.Upset{{Do: func() error {
		primary, err := set.Primary()
		if err != nil {
			return err
		}
		err = primary.Kill9()
		_, elected := set.Primary()
		return errors.Join(err, elected, primary.Restart())
	}}}
}

// restoredMongoDB gets a copy that is made within the run in place of its database.
func restoredMongoDB(t *testing.T) (conformance.Harness, backends.Backend, []history.Upset) {
	h := &mongodbtest.Harness{}
	b := h.Open(t)
	var kept mongodbtest.Copy
	read := func() (err error) {
		kept, err = mongodbtest.ReadCopy(t.Context(), h.Database(b))
		return err
	}
	restore := func() error { return kept.Restore(t.Context(), h.Database(b)) }
	return h, b, []history.Upset{{Do: read}, {Do: restore, Loses: history.SinceLast}}
}
