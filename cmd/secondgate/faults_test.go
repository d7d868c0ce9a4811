package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/backends/mongodb/mongodbtest"
	"github.com/secondgate/secondgate/backends/postgres/postgrestest"
	"github.com/secondgate/secondgate/conformance/client"
	"github.com/secondgate/secondgate/protocol"
)

const (
	// answerTime is what a request may take, and what a busy machine may add. Without a limit of
	// its own a request would wait for the end of the fault.
	answerTime = 10*time.Second + 30*time.Second
	// recoveryTime is how long after a fault all must be as before.
	recoveryTime = 3 * time.Minute
)

// outage is a gateway, the server that it is about to lose, and clients that go on all the while.
type outage struct {
	*crash
	gateway *operated
	server  databaseServer
	network *network
	readers sync.WaitGroup
	end     func() // has the clients finish what they have begun
	unready int    // answers of /readyz
	refused int    // REST answers of 503
}

// databaseServer is one that can be ended.
type databaseServer interface {
	Stop() error
	Restart() error
	Kill9() error
}

// fault is something that happens to the database. One that shows must do so in /readyz.
type fault struct {
	name  string
	shows bool
	does  func(o *outage)
}

// faults happen to every server, one after the other.
var faults = []fault{
	{"connections cut", false, func(o *outage) { o.network.cut() }},
	{"connections cut again and again", false, func(o *outage) {
		for range 40 {
			time.Sleep(50 * time.Millisecond) // wherever requests are
			o.network.cut()
		}
	}},
	{"server restarted", false, func(o *outage) { require.NoError(o, o.server.Restart()) }},
	{"server killed", false, func(o *outage) {
		require.NoError(o, o.server.Kill9())
		require.NoError(o, o.server.Restart())
	}},
	{"server killed once more", false, func(o *outage) {
		require.NoError(o, o.server.Kill9())
		time.Sleep(time.Second)
		require.NoError(o, o.server.Restart())
	}},
	{"half-open connections", true, func(o *outage) {
		o.network.swallow()
		time.Sleep(13 * time.Second) // longer than a request waits
		o.network.heal()
	}},
	{"server away", true, func(o *outage) {
		require.NoError(o, o.server.Stop())
		time.Sleep(13 * time.Second)
		require.NoError(o, o.server.Restart())
	}},
}

// TestPostgresFaults: whatever happens to the database, requests are answered in time, a retry
// under its mutationId has one effect, /readyz tells the truth, and in the end every watcher's copy
// is the database.
func TestPostgresFaults(t *testing.T) {
	cluster := func(o *outage) *postgrestest.Cluster { return o.server.(*postgrestest.Cluster) }
	terminate := func(which string) func(*outage) {
		return func(o *outage) {
			postgrestest.PSQL(
				o,
				cluster(o).URL(),
				"SELECT pg_terminate_backend(pid) FROM (SELECT pid FROM pg_stat_activity WHERE application_name = 'secondgate' AND "+which+") AS s",
			)
		}
	}
	breakDown(t, func(t *testing.T) (databaseServer, *network, string) {
		c := postgrestest.Start(t)
		n := newNetwork(t, fmt.Sprintf("127.0.0.1:%d", c.Port()))
		return c, n, postgrestest.URLAt(n.port())
	}, append([]fault{
		{"the listening session terminated", false, terminate("query LIKE 'LISTEN%'")},
		{"a writing session terminated", false, terminate("query NOT LIKE 'LISTEN%' ORDER BY state LIMIT 1")},
		{"all sessions terminated", false, terminate("true")},
	}, faults...))
}

// TestMongoFaults is TestPostgresFaults over MongoDB, which is killed five times and more.
func TestMongoFaults(t *testing.T) {
	kill := fault{"server killed again", false, func(o *outage) {
		require.NoError(o, o.server.Kill9())
		require.NoError(o, o.server.Restart())
	}}
	breakDown(t, func(t *testing.T) (databaseServer, *network, string) {
		var n *network
		m := mongodbtest.StartBehind(t, func(port int) int {
			n = newNetwork(t, fmt.Sprintf("127.0.0.1:%d", port))
			return n.port()
		})
		return m, n, mongodbtest.URLAt(n.port(), "test")
	}, append([]fault{
		{
			"the primary steps down", false,
			func(o *outage) { require.NoError(o, o.server.(*mongodbtest.Mongod).StepDown(3)) },
		},
		kill, kill, kill,
	}, faults...))
}

// breakDown has faults happen to a server under load.
func breakDown(t *testing.T, start func(t *testing.T) (databaseServer, *network, string), faults []fault) {
	if testing.Short() {
		t.Log(
			"the run without the race detector breaks the database: the gateway here is a program of its own",
		)
		return
	}
	t.Parallel()
	o := newOutage(t, start)
	var clients sync.WaitGroup
	t.Cleanup(func() { // also when a fault has failed the test
		o.end()
		clients.Wait()
		o.readers.Wait()
	})
	for i := range 6 {
		clients.Go(func() { o.write(i) })
	}
	watchers := make([]*crashWatcher, 3)
	for i := range watchers {
		watchers[i] = &crashWatcher{crash: o.crash, docs: map[string]string{}, mayReset: true}
		clients.Go(watchers[i].watch)
	}
	o.readers.Go(o.probe)
	o.readers.Go(o.rest)
	for _, fault := range faults {
		o.recovers("before " + fault.name)
		unready, begun := o.count(&o.unready), time.Now()
		fault.does(o)
		o.recovers(fault.name)
		t.Logf("%s: served again %s after it began", fault.name, time.Since(begun).Round(10*time.Millisecond))
		if fault.shows {
			require.Greater(t, o.count(&o.unready), unready, "/readyz did not notice: %s", fault.name)
		}
	}
	o.end()
	o.settle(&clients, watchers)
	o.readers.Wait()
	docs := o.list()
	for mutation, id := range o.acked {
		require.NotEmpty(t, docs[id], "the write %s was acknowledged and is lost", mutation)
	}
	require.Len(t, docs, len(o.acked), "a retried mutationId had more than one effect")
	for i, w := range watchers {
		require.True(
			t,
			maps.Equal(docs, w.docs),
			"watcher %d has %d documents, the database %d",
			i,
			len(w.docs),
			len(docs),
		)
	}
	require.Less(t, o.slowest, answerTime)
	require.Positive(t, o.refused, "REST was never told to try later")
	t.Logf(
		"%d writes, %d of them carried out before their retry, %d resumes, the slowest answer %s, %d times not ready, %d times REST refused",
		len(o.acked),
		o.replayed,
		o.resumed,
		o.slowest.Round(time.Millisecond),
		o.unready,
		o.refused,
	)
}

// settle waits until writers and watchers have ended, which the latter do once they have all that
// was acknowledged. If they do not, it tells what is missing where.
func (o *outage) settle(clients *sync.WaitGroup, watchers []*crashWatcher) {
	o.Helper()
	done := make(chan struct{})
	go func() { clients.Wait(); close(done) }()
	select {
	case <-done:
		return
	case <-time.After(recoveryTime):
	}
	docs := o.list()
	o.mu.Lock()
	defer o.mu.Unlock()
	for mutation, id := range o.acked {
		for i, w := range watchers {
			if w.docs[id] == "" {
				o.Errorf(
					"watcher %d lacks %q, which %s was answered with; the database has %q",
					i,
					id,
					mutation,
					docs[id],
				)
			}
		}
	}
	o.Fatalf(
		"%d writers have not ended, or a watcher has not; the gateway said: %s",
		o.writing,
		o.gateway.log,
	)
}

func newOutage(t *testing.T, start func(t *testing.T) (databaseServer, *network, string)) *outage {
	server, n, url := start(t)
	g := operate(t, nil, "--heartbeat", "1s", "--backend", url)
	c := newCrash(t, "")
	c.url, c.writing = g.url, 6
	return &outage{
		crash: c, gateway: g, server: server, network: n, end: sync.OnceFunc(func() { close(c.stop) }),
	}
}

func (o *outage) count(n *int) int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return *n
}

// recovers waits until the gateway is ready and every writer has been answered a few times.
func (o *outage) recovers(after string) {
	o.Helper()
	o.mu.Lock()
	want := len(o.acked) + 20
	o.mu.Unlock()
	require.Eventually(o, func() bool {
		o.mu.Lock()
		acked := len(o.acked)
		o.mu.Unlock()
		if acked < want {
			return false
		}
		status, _ := o.gateway.get("/readyz")
		return status == http.StatusOK
	}, recoveryTime, 20*time.Millisecond, after)
}

// probe asks /readyz as a balancer does.
func (o *outage) probe() {
	for !o.stopped() {
		response, err := http.Get(o.gateway.admin + "/readyz")
		if err != nil {
			o.Errorf("/readyz does not answer: %v", err)
			return
		}
		_ = response.Body.Close()
		o.mu.Lock()
		if response.StatusCode == http.StatusServiceUnavailable {
			o.unready++
		}
		o.mu.Unlock()
		time.Sleep(100 * time.Millisecond)
	}
}

// rest reads and writes as clients of today do: an answer within the time of a request, be it 503
// and when to try again.
func (o *outage) rest() {
	scope := protocol.Scope{Workspace: "w", App: "rest"}
	for n := 0; !o.stopped(); n++ {
		ctx, cancel := context.WithTimeout(context.Background(), answerTime)
		var reply client.Reply
		var err error
		if n%2 == 0 {
			reply, err = client.Do(ctx, "GET", client.DataURL(o.url, scope, "", "collection", "c"), "")
		} else {
			reply, err = client.Do(ctx, "POST", client.DataURL(o.url, scope, ""), `{"collection":"c","data":{}}`)
		}
		cancel()
		switch {
		case err != nil:
			o.Errorf("REST has no answer in time: %v", err)
			return
		case passes(reply):
			o.mu.Lock()
			o.refused++
			o.mu.Unlock()
		case reply.Status/100 != 2:
			time.Sleep(time.Second) // the log comes by another way
			o.Errorf("REST answers %d: %s\n%s", reply.Status, reply.Body, o.gateway.log)
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// passes tells a refusal of which clients know that it passes: 503, or 504 where the database did
// not say a word.
func passes(reply client.Reply) bool {
	var refused struct{ Error string }
	if json.Unmarshal([]byte(reply.Body), &refused) != nil {
		return false
	}
	away := reply.Status == http.StatusServiceUnavailable && refused.Error == "unavailable"
	silent := reply.Status == http.StatusGatewayTimeout && refused.Error == "timeout"
	return (away || silent) && reply.Header.Get("Retry-After") != ""
}
