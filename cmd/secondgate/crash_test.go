package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
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
	crashWriters  = 32
	crashWatchers = 4
)

var crashScope = protocol.Scope{Workspace: "w", App: "crash"}

// TestCrash kills the gateway with SIGKILL while 32 writers write, again and again
// (SECONDGATE_CRASHES times): every acknowledged write must be there, every retried mutationId must
// have had one effect, and every watcher must have resumed without a gap.
func TestCrash(t *testing.T) {
	file := filepath.Join(t.TempDir(), "crash.db")
	c := newCrash(t, "sqlite:"+file)
	c.load = 100 * time.Millisecond
	c.run(8)
	out, err := exec.Command("sqlite3", file, "PRAGMA integrity_check").CombinedOutput()
	require.NoError(t, err)
	require.Equal(t, "ok\n", string(out))
}

// TestCrashPostgres is TestCrash over a server that goes on while gateways are killed.
func TestCrashPostgres(t *testing.T) {
	c := newCrash(
		t, postgrestest.Schema(t)+"&pool_max_conns=8",
	) // few, so that the time goes by writing, not by connecting
	c.load = 300 * time.Millisecond
	c.run(4)
}

// TestCrashMongoDB is TestCrash over a mongod that goes on while gateways are killed.
func TestCrashMongoDB(t *testing.T) {
	c := newCrash(t, mongodbtest.Database(t))
	c.load = 300 * time.Millisecond
	c.run(4)
}

// run kills the gateway so many times, unless told otherwise.
func (c *crash) run(rounds int) {
	if n, err := strconv.Atoi(os.Getenv("SECONDGATE_CRASHES")); err == nil {
		rounds = n
	}
	if testing.Short() {
		rounds = 2
	}
	var clients sync.WaitGroup
	for i := range crashWriters {
		clients.Go(func() { c.write(i) })
	}
	watchers := make([]*crashWatcher, crashWatchers)
	for i := range watchers {
		watchers[i] = &crashWatcher{crash: c, docs: map[string]string{}}
		clients.Go(watchers[i].watch)
	}
	for range rounds {
		c.start()
		time.Sleep(c.load + rand.N(3*c.load)) // the load itself
		c.kill()
	}
	c.start()
	close(c.stop) // writers finish what they have begun
	clients.Wait()
	c.check(watchers)
	docs := c.list()
	c.kill()
	c.checkAudit(docs)
	c.Logf(
		"%d kills, %d acknowledged writes, %d retries that had been carried out before, %d resumes", rounds,
		len(c.acked), c.replayed, c.resumed,
	)
	if raceEnabled { // the gateway has the race detector too, and does little in the time between kills
		require.NotEmpty(c, c.acked)
		return
	}
	require.Greater(c, len(c.acked), 10*rounds)
	require.GreaterOrEqual(c, c.resumed, rounds)
}

// crash is a gateway that is killed and started again over one database.
type crash struct {
	*testing.T
	binary, backend string
	command         *exec.Cmd
	stop            chan struct{}
	load            time.Duration // the least time between a start and a kill

	mu       sync.Mutex
	url      string
	acked    map[string]string // document by mutationId
	replayed int
	resumed  int
	writing  int
	slowest  time.Duration // answer, or lack of one
}

func newCrash(t *testing.T, backend string) *crash {
	return &crash{
		T: t, binary: built(t), backend: backend, stop: make(chan struct{}), acked: map[string]string{},
		writing: crashWriters,
	}
}

// start starts the gateway on a free port and waits until it serves.
func (c *crash) start() {
	c.command = exec.Command(
		c.binary, "serve", "--listen", "127.0.0.1:0", "--admin", "", "--backend", c.backend, "--heartbeat", "1s",
	)
	stdout, err := c.command.StdoutPipe()
	require.NoError(c, err)
	c.command.Stderr = os.Stderr
	require.NoError(c, c.command.Start())
	process := c.command.Process
	c.Cleanup(func() { _ = process.Kill() }) // if the test has failed before it did
	line, err := bufio.NewReader(stdout).ReadString('\n')
	require.NoError(c, err, "the gateway did not start again")
	go func() { _, _ = io.Copy(io.Discard, stdout) }() // ends with the process
	_, at, found := strings.Cut(strings.TrimSpace(line), " on ")
	require.True(c, found, line)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.url = strings.TrimSuffix(at, "/")
}

func (c *crash) kill() {
	require.NoError(c, c.command.Process.Kill())
	_ = c.command.Wait() // killed: it says so
}

func (c *crash) stopped() bool {
	select {
	case <-c.stop:
		return true
	default:
		return false
	}
}

// dial connects to the gateway as it runs now, nil while it does not.
func (c *crash) dial(parameters ...string) *client.Client {
	c.mu.Lock()
	url := c.url
	c.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	conn, err := client.Dial(ctx, client.URL(url, crashScope, parameters...))
	if err != nil {
		time.Sleep(5 * time.Millisecond) // it is being started
		return nil
	}
	return conn
}

// lost: the test has failed and is over; what it waits for, a gateway or a database, may never come
// back.
func (c *crash) lost() bool { return c.stopped() && c.Failed() }

// write inserts document after document, each under a mutationId that it retries until it is
// acknowledged.
func (c *crash) write(writer int) {
	defer func() {
		c.mu.Lock()
		c.writing--
		c.mu.Unlock()
	}()
	var conn *client.Client
	for n := 0; !c.stopped(); n++ {
		q := protocol.Request{
			Type: protocol.TypeInsert, Collection: "c", MutationID: fmt.Sprintf("%d-%d", writer, n),
			Data: fmt.Appendf(nil, `{"n":%d,"writer":%d}`, n, writer),
		}
		if n%3 == 2 {
			q.Type, q.Filter = protocol.TypeUpsert, fmt.Appendf(nil, `{"key":"%d-%d"}`, writer, n)
		}
		for acked := false; !acked; {
			if c.lost() {
				return
			}
			if conn == nil {
				conn = c.dial("changes", "none")
				continue
			}
			if acked = c.try(conn, q); !acked {
				conn.Cut()
				conn = nil
			}
		}
	}
	if conn != nil {
		conn.Cut()
	}
}

func (c *crash) try(conn *client.Client, q protocol.Request) bool {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	asked := time.Now()
	m, err := conn.Call(ctx, q)
	c.mu.Lock()
	c.slowest = max(c.slowest, time.Since(asked))
	c.mu.Unlock()
	if err != nil || m.Error != nil && m.Error.Retryable {
		return false
	}
	if m.Error != nil {
		c.Errorf("%s was refused: %+v", q.MutationID, m.Error)
		return true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.acked[q.MutationID] = docID(m.Doc)
	if m.Replayed {
		c.replayed++
	}
	return true
}

// check holds the database, as a new client lists it, to what was acknowledged and to what the
// watchers have.
func (c *crash) check(watchers []*crashWatcher) {
	docs := c.list()
	for mutation, id := range c.acked {
		_, kept := docs[id]
		require.True(c, kept, "the write %s was acknowledged and is lost", mutation)
	}
	require.Equal(c, len(c.acked), len(docs), "a retried mutationId had more than one effect")
	for i, w := range watchers {
		require.True(
			c, maps.Equal(docs, w.docs), "watcher %d has %d documents, the database %d", i, len(w.docs), len(docs),
		)
	}
}

func (c *crash) list() map[string]string {
	conn := c.dial()
	require.NotNil(c, conn)
	defer conn.Cut()
	docs := map[string]string{}
	require.NoError(c, listInto(conn, docs))
	return docs
}

func listInto(conn *client.Client, docs map[string]string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	for q := (protocol.Request{Type: protocol.TypeList, Collection: "c"}); ; {
		m, err := conn.Call(ctx, q)
		switch {
		case err != nil:
			return err
		case m.Error != nil: // the database is away: this is no empty list
			return fmt.Errorf("the list was refused: %s", m.Error.Code)
		}
		for _, d := range m.Docs {
			docs[docID(d)] = string(d)
		}
		if q.After = m.Next; q.After == "" {
			return nil
		}
	}
}
