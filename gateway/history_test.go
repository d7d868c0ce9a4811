package gateway_test

import (
	"log/slog"
	"os"
	"testing"
	"time"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/backends/model/modeltest"
	"github.com/secondgate/secondgate/backends/mongodb/mongodbtest"
	"github.com/secondgate/secondgate/backends/postgres/postgrestest"
	"github.com/secondgate/secondgate/backends/sqlite/sqlitetest"
	"github.com/secondgate/secondgate/conformance"
	"github.com/secondgate/secondgate/conformance/history"
	"github.com/secondgate/secondgate/gateway"
	"github.com/secondgate/secondgate/protocol"
)

// Histories run over each backend's harness, every transport in one; a short form under the race
// detector. On a database server a quarter of the minima has to do, and one mode.
func TestHistoryModel(t *testing.T) { checkHistories(t, &modeltest.Harness{}, 1, modes...) }

func TestHistorySQLite(t *testing.T) { checkHistories(t, &sqlitetest.Harness{}, 2, modes...) }

func TestHistoryPostgres(t *testing.T) { checkHistories(t, &postgrestest.Harness{}, 3, modes[0]) }

func TestHistoryMongoDB(t *testing.T) { checkHistories(t, &mongodbtest.Harness{}, 4, modes[0]) }

func checkHistories(t *testing.T, h conformance.Harness, seed uint64, modes ...mode) {
	t.Parallel()
	for _, m := range modes {
		t.Run(m.name, func(t *testing.T) { checkHistory(t, h, seed, m) })
	}
}

func checkHistory(t *testing.T, h conformance.Harness, seed uint64, m mode) {
	t.Parallel()
	run := historyOver(t, h, h.Open(t), func(c *gateway.Config) {
		c.LogBytes = 60_000 // small, so that clients fall off it
		c.PlainSockets = m.plain
	})
	run.Forget = func() { h.Forget(t, run.Backend) }
	run.Seed, run.Duration, run.SocketClients, run.StreamClients = seed, 3*time.Second, 12, 6
	run.Least = history.Counts{
		Writes: 300, Batches: 20, RESTWrites: 60, Outside: 12, Reinserts: 12, Settled: 300, Kept: 30,
		Lists: 120, Pages: 180, Bookmarks: 600, Cuts: 120, Resumes: 120, Resubscribes: 120, Resets: 2,
		IDs: 300, StreamCuts: 120, StreamResumes: 120, StreamResets: 2, StreamsFresh: 6,
	}
	if testing.Short() {
		run.Duration, run.Least = 4*time.Second, history.Counts{
			Writes: 15, Lists: 20, Bookmarks: 50, Resumes: 2, Resubscribes: 2,
			IDs: 20, StreamResumes: 2,
		}
	}
	// Over a server psql is started anew for each outside write, and forgetting voids every cursor
	// from before.
	if isServer(h) {
		run.Least = run.Least.Over(4)
		if testing.Short() {
			run.Least.Resubscribes = 0
		}
	}
	history.Check(t, run)
}

// historyOver is a history of a gateway over b, which h has opened. It shows the gateway's errors.
func historyOver(
	t *testing.T, h conformance.Harness, b backends.Backend, change ...func(*gateway.Config),
) history.History {
	t.Helper()
	oracle := h.Oracle(t, b)
	return history.History{
		URL: serve(
			t,
			b,
			append(change, beats, showErrors)...), Scope: protocol.Scope{Workspace: "w", App: "a"},
		Backend: b, Oracle: oracle, Outside: h.Outside(t, b), Writers: 4,
	}
}

// showErrors has what the gateway calls a defect be seen.
func showErrors(c *gateway.Config) {
	c.Log = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError}))
}

// beats has bookmarks and ids come often.
func beats(c *gateway.Config) {
	c.Heartbeat, c.StreamHeartbeat = 500*time.Millisecond, 500*time.Millisecond
}
