package postgres_test

import (
	"context"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/backends/postgres"
	"github.com/secondgate/secondgate/backends/postgres/postgrestest"
	"github.com/secondgate/secondgate/conformance"
	"github.com/secondgate/secondgate/protocol"
)

const (
	chainWriters = 24
	chainReaders = 6
	chainDocs    = 60
)

// TestStress runs 24 writers on documents that each carry a chain: an incarnation, and a version
// that every change increments under the row's lock. Writers sleep, roll back, use savepoints,
// prepare, and keep transactions open for long. Readers follow through two gateways and are killed
// again and again, in the middle of a batch or of a read. No state may be missing, come twice or
// come before an earlier one. SECONDGATE_STRESS is the least number of changes; there is a kill for
// every hundred of them.
func TestStress(t *testing.T) {
	t.Parallel()
	changes := 2000
	if testing.Short() {
		changes = 800
	}
	if n, err := strconv.Atoi(os.Getenv("SECONDGATE_STRESS")); err == nil {
		changes = n
	}
	s := newStress(t)
	begun := time.Now()
	s.run(changes, changes/100)
	t.Logf("%d changes in %d commits of %d writers (%d rolled back, %d prepared, %d with savepoints, %d "+
		"long); %d kills of %d readers in %d batches, %d resumed by Since; %d states and %d lists held to the "+
		"oracle; %v",
		s.logRows(), s.did.commits.Load(), chainWriters, s.did.rollbacks.Load(), s.did.prepared.Load(),
		s.did.savepoints.Load(), s.did.long.Load(),
		s.did.kills.Load(), chainReaders, s.did.batches.Load(), s.did.sinces.Load(), s.did.states.Load(),
		s.did.lists.Load(), time.Since(begun).Round(time.Second))
}

// stress is what writers and readers share.
type stress struct {
	*testing.T
	url      string
	gateways []*postgres.Backend
	oracle   conformance.Oracle
	ctx      context.Context
	cancel   context.CancelFunc
	looker   session
	did      struct {
		commits, rollbacks, prepared, savepoints, long, kills, batches, sinces, states,
		lists atomic.Int64
	}
}

func newStress(t *testing.T) *stress {
	url := postgrestest.Schema(t)
	gateway := func() *postgres.Backend {
		return openWith(t, postgres.Options{URL: url,
			Poll: 10 * time.Millisecond})
	}
	s := &stress{
		T:        t,
		url:      url,
		gateways: []*postgres.Backend{gateway(), gateway()},
		looker:   outsider(t, url),
	}
	s.looker.do("CREATE SEQUENCE incarnations")
	s.oracle = postgrestest.Record(t, url)
	s.ctx, s.cancel = context.WithCancel(context.Background())
	t.Cleanup(s.cancel)
	return s
}

// logRows is the number of changes in the log.
func (s *stress) logRows() int {
	n, err := strconv.Atoi(s.looker.value("SELECT count(*) FROM app_data_changes"))
	require.NoError(s, err)
	return n
}

// run lets all work until there are enough changes and kills. Then the readers finish, and run
// compares all that they have seen with the table.
func (s *stress) run(changes, kills int) {
	var writing, reading sync.WaitGroup
	readers := make([]*chainReader, chainReaders)
	final := make(chan backends.Cursor)
	for i := range readers {
		readers[i] = newChainReader(s, i)
		reading.Go(func() { readers[i].read(final) })
	}
	writers := make([]*chainWriter, chainWriters)
	for i := range writers {
		writers[i] = newChainWriter(s, i)
		writing.Go(writers[i].write)
	}
	end := time.Now().Add(30 * time.Minute)
	for ; s.logRows() < changes || s.did.kills.Load() < int64(kills); time.Sleep(100 * time.Millisecond) {
		if s.Failed() || time.Now().After(end) {
			break
		}
	}
	s.cancel()
	writing.Wait()
	at := now(s, s.gateways[0])
	for range readers {
		final <- at
	}
	reading.Wait()
	if s.Failed() {
		s.FailNow()
	}
	want := copied(list(s, s.gateways[0]))
	require.Equal(s, want, s.known(at))
	for _, r := range readers {
		require.Equal(s, want, r.copy, "reader %d", r.number)
		r.joinAll(want)
	}
	s.inOrder()
	require.GreaterOrEqual(s, s.logRows(), changes)
	require.GreaterOrEqual(s, s.did.kills.Load(), int64(kills))
}

// known is the state that the oracle records for a cursor.
func (s *stress) known(c backends.Cursor) map[string]protocol.Document {
	docs := map[string]protocol.Document{}
	for id, d := range s.oracle(s, scope, c)["notes"] {
		docs[id] = d
	}
	return docs
}

// inOrder compares the log with the record of the states: for each document, the same transactions
// in the same order.
func (s *stress) inOrder() {
	wrong := s.looker.value(`SELECT count(*) FROM (SELECT DISTINCT id FROM test_images) AS d WHERE
		(SELECT string_agg(xid::text, ' ' ORDER BY seq)
		FROM (SELECT xid, seq, lag(xid) OVER (ORDER BY seq) AS before FROM app_data_changes WHERE id = d.id) AS t
		WHERE xid IS DISTINCT FROM before)
		IS DISTINCT FROM
		(SELECT string_agg(xid::text, ' ' ORDER BY n) FROM (SELECT xid, n, lag(xid) OVER (ORDER BY n) AS before
		FROM test_images WHERE id = d.id) AS t WHERE xid IS DISTINCT FROM before)`)
	require.Equal(s, "0", wrong, "documents of which the log has other transactions, or in another order")
}
