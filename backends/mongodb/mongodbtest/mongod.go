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

// startTime bounds how long a server may take to start, recovery included.
const startTime = time.Minute

// Mongod is one server, the only member of the replica set rs0, on a port of its own of the
// loopback interface, its data in a temporary directory. Its methods belong to one goroutine.
type Mongod struct {
	*server.Home
	program string
	port    int
	flags   []string
	set     bool      // it is started as a member of a replica set
	secured bool      // it asks who somebody is
	running *exec.Cmd // nil: it does not run
}

// Start starts a server for one test. Flags are added to its command line.
func Start(t conformance.T, flags ...string) *Mongod {
	t.Helper()
	m, err := Launch(flags...)
	return started(t, m, err)
}

// StartBehind starts a server that clients reach by way of another port, which public leads to it:
// the replica set says so.
func StartBehind(t conformance.T, public func(port int) int) *Mongod {
	t.Helper()
	m, err := launchBehind(public)
	return started(t, m, err)
}

// started has a server stopped at cleanup.
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

// Launch starts a server for a program, which closes it; it ends with the program all the same.
func Launch(flags ...string) (*Mongod, error) {
	return launchBehind(func(port int) int { return port }, flags...)
}

// launchBehind is Launch for clients that come by way of another port.
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

// launch starts a server that is in no replica set yet, or is none of a replica set at all.
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
	if err = errors.Join(os.Mkdir(m.data(), 0o700), os.WriteFile(m.keyFile(), []byte("a key that the members of one replica set share"), 0o600)); err == nil {
		if m.port, err = server.FreePort(); err == nil {
			err = m.Restart()
		}
	}
	if err != nil {
		return nil, errors.Join(err, m.Close())
	}
	return m, nil
}

// Program is the mongod to run: SECONDGATE_TEST_MONGOD, else the one that ci/setup.sh fetches, else
// the system's.
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
	return "", errors.New("no mongod is installed: run ci/setup.sh, or name its program in SECONDGATE_TEST_MONGOD or a server in SECONDGATE_TEST_MONGODB_URL")
}

func (m *Mongod) data() string { return filepath.Join(m.Dir, "data") }

// Port is where the server listens.
func (m *Mongod) Port() int { return m.port }

// URL is that of one of the server's databases.
func (m *Mongod) URL(database string) string { return URLAt(m.port, database) }

// URLAt is URL by way of something that listens on another port and leads to the server.
func URLAt(port int, database string) string {
	return fmt.Sprintf("mongodb://127.0.0.1:%d/%s?replicaSet=rs0", port, database)
}

// Restart stops the server if it runs and starts it. It returns when the server takes connections.
func (m *Mongod) Restart() error {
	if err := m.Stop(); err != nil {
		return err
	}
	args := append([]string{
		"--dbpath", m.data(), "--port", strconv.Itoa(m.port), "--bind_ip", "127.0.0.1", "--nounixsocket",
		"--setParameter", "diagnosticDataCollectionEnabled=false",
		"--wiredTigerEngineConfigString", "log=(file_max=8MB,prealloc=false)", "--pidfilepath", filepath.Join(m.Dir, "mongod.pid"),
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
	for end := time.Now().Add(startTime); time.Now().Before(end) && server.Alive(cmd.Process.Pid); time.Sleep(20 * time.Millisecond) {
		if m.command(bson.D{{Key: "hello", Value: 1}}) == nil {
			return nil
		}
	}
	_ = m.Kill9() // it may have ended by itself
	return errors.New("the server does not start:\n" + m.Tail("log"))
}

// initiate makes a replica set of it, and waits until it is the primary.
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
	client, err := m.direct()
	if err != nil {
		return err
	}
	defer disconnect(client)
	for end := time.Now().Add(startTime); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		var hello struct {
			Primary bool `bson:"isWritablePrimary"`
		}
		if client.Database("admin").RunCommand(context.Background(), bson.D{{Key: "hello", Value: 1}}).Decode(&hello) == nil && hello.Primary {
			return nil
		}
	}
	return errors.New("the server does not become the primary:\n" + m.Tail("log"))
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

// StepDown has the primary give up for some seconds.
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
	return errors.Join(err, m.forget())
}

// Kill9 ends the server with SIGKILL.
func (m *Mongod) Kill9() error {
	if m.running == nil {
		return nil
	}
	err := m.running.Process.Kill()
	_ = m.running.Wait() // killed: that is no news
	m.running = nil
	return errors.Join(err, m.forget())
}

// forget removes the number, which may soon be another process's.
func (m *Mongod) forget() error {
	if err := os.Remove(filepath.Join(m.Dir, "mongod.pid")); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// Close stops the server and removes its data.
func (m *Mongod) Close() error {
	return errors.Join(m.Stop(), m.Home.Close())
}

// Named replaces the database's name in a URL.
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
