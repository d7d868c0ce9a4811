package mongodbtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/secondgate/secondgate/conformance"
	"github.com/secondgate/secondgate/conformance/server"
)

// startTime bounds the start of a server, recovery included.
const startTime = time.Minute

// Mongod is one server, the only member of the replica set rs0, on its own port of the loopback
// interface. Its data is in a temporary directory. One goroutine at a time may call its methods.
type Mongod struct {
	*server.Home
	program string
	port    int
	flags   []string
	set     bool      // it is started as a member of a replica set
	secured bool      // it has access control
	running *exec.Cmd // nil: it is stopped
}

// Start starts a server for one test. flags are added to its command line.
func Start(t conformance.T, flags ...string) *Mongod {
	t.Helper()
	m, err := Launch(flags...)
	return started(t, m, err)
}

// StartBehind starts a server that clients reach through a proxy. public starts the proxy of a port
// and returns the proxy's port, which the replica set names.
func StartBehind(t conformance.T, public func(port int) int) *Mongod {
	t.Helper()
	m, err := launchBehind(public)
	return started(t, m, err)
}

// started stops a server at cleanup.
func started(t conformance.T, m *Mongod, err error) *Mongod {
	t.Helper()
	if err != nil {
		t.Fatalf("start mongod: %v", err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Errorf("stop mongod: %v", err)
		}
	})
	return m
}

// Launch starts a server for a program, which must close it. The server also ends with the program.
func Launch(flags ...string) (*Mongod, error) {
	return launchBehind(func(port int) int { return port }, flags...)
}

// launchBehind is Launch for clients that connect through another port.
func launchBehind(public func(port int) int, flags ...string) (*Mongod, error) {
	m, err := launch(true, flags...)
	if err != nil {
		return nil, err
	}
	if err := m.initiate(public(m.port)); err != nil {
		return nil, errors.Join(err, m.Close())
	}
	return m, nil
}

// launch starts a server that is not initiated yet, or that belongs to no replica set.
func launch(set bool, flags ...string) (*Mongod, error) {
	program, err := Program()
	if err != nil {
		return nil, err
	}
	h, err := server.NewHome("mongodb", "true", nil)
	if err != nil {
		return nil, err
	}
	m := &Mongod{Home: h, program: program, flags: flags, set: set}
	if err = errors.Join(os.Mkdir(m.data(), 0o700), os.WriteFile(m.keyFile(),
		[]byte("a key that the members of one replica set share"), 0o600)); err == nil {
		if m.port, err = server.FreePort(); err == nil {
			err = m.Restart()
		}
	}
	if err != nil {
		return nil, errors.Join(err, m.Close())
	}
	return m, nil
}

// Program is the mongod to run: SECONDGATE_TEST_MONGOD, or the one that ci/setup.sh fetches, or the
// system's.
func Program() (string, error) {
	candidates := []string{os.Getenv("SECONDGATE_TEST_MONGOD")}
	if cache, err := os.UserCacheDir(); err == nil {
		candidates = append(candidates, filepath.Join(cache, "secondgate", "mongod-6.0.5", "mongod"))
	}
	for _, path := range append(candidates, "mongod") {
		if found, err := exec.LookPath(path); path != "" && err == nil {
			return found, nil
		}
	}
	return "", errors.New("no mongod is installed: run ci/setup.sh, or name its program in " +
		"SECONDGATE_TEST_MONGOD or a server in SECONDGATE_TEST_MONGODB_URL")
}

func (m *Mongod) data() string { return filepath.Join(m.Dir, "data") }

// Port is the port on which the server listens.
func (m *Mongod) Port() int { return m.port }

// URL is the URL of one of the server's databases.
func (m *Mongod) URL(database string) string { return URLAt(m.port, database) }

// URLAt is URL for a proxy that listens on another port.
func URLAt(port int, database string) string {
	return fmt.Sprintf("mongodb://127.0.0.1:%d/%s?replicaSet=rs0", port, database)
}

// Restart stops the server if it runs, and starts it. It returns when the server takes connections.
func (m *Mongod) Restart() error {
	if err := m.Stop(); err != nil {
		return err
	}
	args := append([]string{
		"--dbpath", m.data(), "--port", strconv.Itoa(m.port), "--bind_ip", "127.0.0.1", "--nounixsocket",
		"--setParameter", "diagnosticDataCollectionEnabled=false",
		// A large transaction of a test may take more than the default of a minute on a busy machine.
		"--setParameter", "transactionLifetimeLimitSeconds=900",
		"--wiredTigerEngineConfigString", "log=(file_max=8MB,prealloc=false)", "--pidfilepath",
		filepath.Join(m.Dir, "mongod.pid"),
	}, m.flags...)
	if m.set {
		args = append(args, "--replSet", "rs0")
	}
	if m.secured {
		args = append(args, "--keyFile", m.keyFile())
	}
	for flag, value := range map[string]string{"--oplogSize": "512", "--wiredTigerCacheSizeGB": "0.25"} {
		if !slices.Contains(args, flag) {
			args = append(args, flag, value)
		}
	}
	cmd, err := m.Spawn("log", m.program, args...)
	if err != nil {
		return err
	}
	m.running = cmd
	end := time.Now().Add(startTime)
	for ; time.Now().Before(end) && server.Alive(cmd.Process.Pid); time.Sleep(20 * time.Millisecond) {
		if m.command(bson.D{{Key: "hello", Value: 1}}) == nil {
			return nil
		}
	}
	_ = m.Kill9() // it may have ended by itself
	return errors.New("the server does not start:\n" + m.Tail("log"))
}

// initiate makes the server a replica set and waits until it is the primary.
func (m *Mongod) initiate(port int) error {
	member := bson.D{{Key: "_id", Value: 0}, {Key: "host", Value: fmt.Sprintf("127.0.0.1:%d", port)}}
	config := bson.D{{Key: "_id", Value: "rs0"}, {Key: "members", Value: bson.A{member}}}
	if err := m.command(bson.D{{Key: "replSetInitiate", Value: config}}); err != nil {
		return err
	}
	return m.Primary()
}

// Primary waits until the server takes writes.
func (m *Mongod) Primary() error {
	for end := time.Now().Add(startTime); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if m.isPrimary() {
			return nil
		}
	}
	return errors.New("the server does not become the primary:\n" + m.Tail("log"))
}

// isPrimary asks the server whether it takes writes.
func (m *Mongod) isPrimary() bool {
	client, err := m.direct()
	if err != nil {
		return false
	}
	defer disconnect(client)
	var hello struct {
		Primary bool `bson:"isWritablePrimary"`
	}
	asked := client.Database("admin").RunCommand(context.Background(), bson.D{{Key: "hello", Value: 1}})
	return asked.Decode(&hello) == nil && hello.Primary
}

// command runs an administrator's command on the server itself.
func (m *Mongod) command(command bson.D) error {
	client, err := m.direct()
	if err != nil {
		return err
	}
	defer disconnect(client)
	return client.Database("admin").RunCommand(context.Background(), command).Err()
}

// StepDown makes the primary step down for some seconds.
func (m *Mongod) StepDown(seconds int) error {
	return m.command(bson.D{{Key: "replSetStepDown", Value: seconds}, {Key: "force", Value: true}})
}

func (m *Mongod) direct() (*mongo.Client, error) {
	o := options.Client().ApplyURI(fmt.Sprintf("mongodb://127.0.0.1:%d/?directConnection=true", m.port))
	return mongo.Connect(o.SetServerSelectionTimeout(2 * time.Second))
}

func disconnect(c *mongo.Client) { _ = c.Disconnect(context.Background()) }

// Stop stops the server as an operator does.
func (m *Mongod) Stop() error {
	if m.running == nil {
		return nil
	}
	if err := m.running.Process.Signal(os.Interrupt); err != nil {
		return err
	}
	err := m.running.Wait()
	m.running = nil
	return errors.Join(err, m.removePID())
}

// Kill9 ends the server with SIGKILL.
func (m *Mongod) Kill9() error {
	if m.running == nil {
		return nil
	}
	err := m.running.Process.Kill()
	_ = m.running.Wait() // it was killed, so it fails
	m.running = nil
	return errors.Join(err, m.removePID())
}

// removePID removes the file with the server's number, which another process may soon have.
func (m *Mongod) removePID() error {
	if err := os.Remove(filepath.Join(m.Dir, "mongod.pid")); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// Close stops the server and removes its data.
func (m *Mongod) Close() error {
	return errors.Join(m.Stop(), m.Home.Close())
}

// Named is a URL with another database's name.
func Named(url, database string) string {
	head, query, _ := strings.Cut(url, "?")
	scheme, rest, _ := strings.Cut(head, "://")
	hosts, _, _ := strings.Cut(rest, "/")
	return scheme + "://" + hosts + "/" + database + "?" + query
}

// NameOf is the database's name in a URL.
func NameOf(url string) string {
	head, _, _ := strings.Cut(url, "?")
	return head[strings.LastIndex(head, "/")+1:]
}
