package postgrestest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/secondgate/secondgate/conformance"
	"github.com/secondgate/secondgate/conformance/server"
)

// Cluster is one PostgreSQL server on its own port of the loopback interface. Its data is in a
// temporary directory. One goroutine at a time may call its methods.
type Cluster struct {
	*server.Home
	bin     string
	port    int
	running *exec.Cmd // nil: it is stopped
}

// startTime bounds the start of a server, recovery included.
const startTime = time.Minute

// stopTime bounds the stop of a server.
const stopTime = time.Minute

// Start starts a server for one test. settings are lines of postgresql.conf.
func Start(t conformance.T, settings ...string) *Cluster {
	t.Helper()
	c, err := Launch(settings...)
	if err != nil {
		t.Fatalf("start PostgreSQL: %v", err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Errorf("stop PostgreSQL: %v", err)
		}
	})
	return c
}

// Launch starts a server for a program, which must close it. The server also ends with the program.
func Launch(settings ...string) (*Cluster, error) {
	c, err := newCluster()
	if err != nil {
		return nil, err
	}
	err = c.Run(filepath.Join(c.bin, "initdb"), "-D", c.data(), "-U", "postgres", "-A", "trust", "-E", "UTF8",
		"--no-locale", "--no-sync")
	if err == nil {
		err = c.open(settings)
	}
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// newCluster has no data yet.
func newCluster() (*Cluster, error) {
	bin, err := binaries()
	if err != nil {
		return nil, err
	}
	h, err := newHome(filepath.Join(bin, "pg_ctl"))
	if err != nil {
		return nil, err
	}
	return &Cluster{Home: h, bin: bin}, nil
}

// open configures the server of a data directory and starts it on the first free port.
func (c *Cluster) open(settings []string) (err error) {
	for range 5 {
		if c.port, err = server.FreePort(); err != nil {
			return err
		}
		if err = c.configure(settings); err != nil {
			return err
		}
		if err = c.Restart(); err == nil || !strings.Contains(err.Error(), "Address already in use") {
			return err
		}
	}
	return err
}

// configure appends to postgresql.conf. The last line of a name counts.
func (c *Cluster) configure(settings []string) error {
	lines := append([]string{
		"listen_addresses = '127.0.0.1'", fmt.Sprintf("port = %d", c.port), "unix_socket_directories = ''",
		"max_connections = 200", "max_prepared_transactions = 16", "timezone = 'UTC'", "log_timezone = 'UTC'",
		"log_line_prefix = '%m [%p] %a '",
	}, settings...)
	f, err := os.OpenFile(filepath.Join(c.data(), "postgresql.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(strings.Join(lines, "\n") + "\n")
	return errors.Join(err, f.Close())
}

func (c *Cluster) data() string { return filepath.Join(c.Dir, "data") }

// Port is the port on which the server listens.
func (c *Cluster) Port() int { return c.port }

// URL is the superuser's URL of the database postgres.
func (c *Cluster) URL() string { return URLAt(c.port) }

// URLAt is URL for a proxy that listens on another port.
func URLAt(port int) string {
	return fmt.Sprintf("postgres://postgres@127.0.0.1:%d/postgres?sslmode=disable", port)
}

// Log is the end of the server's log.
func (c *Cluster) Log() string { return c.Tail("log") }

// Restart stops the server if it runs, as an operator does, and starts it. It returns when the
// server takes connections. It tries again while processes that were killed a moment ago hold the
// server's memory.
func (c *Cluster) Restart() error {
	if err := c.Stop(); err != nil {
		return err
	}
	for end := time.Now().Add(startTime); ; time.Sleep(100 * time.Millisecond) {
		err := c.start()
		if err == nil || time.Now().After(end) || !strings.Contains(err.Error(), "is still in use") {
			return err
		}
	}
}

// start tries once to start the server. Its error contains the end of this start's log.
func (c *Cluster) start() error {
	running, err := c.Spawn("log", filepath.Join(c.bin, "postgres"), "-D", c.data())
	if err != nil {
		return err
	}
	c.running = running
	end := time.Now().Add(startTime)
	for ; time.Now().Before(end) && server.Alive(running.Process.Pid); time.Sleep(10 * time.Millisecond) {
		if c.ready() {
			return nil
		}
	}
	return fmt.Errorf("the server does not start:\n%s\n%w", c.Log(), c.Kill9())
}

// ready reads from the server's log whether it takes connections.
func (c *Cluster) ready() bool {
	text, err := os.ReadFile(filepath.Join(c.data(), "postmaster.pid"))
	lines := strings.Split(string(text), "\n")
	if err != nil || len(lines) < 8 {
		return false
	}
	state := strings.TrimSpace(lines[7])
	return lines[0] == strconv.Itoa(c.running.Process.Pid) && (state == "ready" || state == "standby")
}

// Stop stops the server as an operator does: it ends sessions, and what has been committed is on
// disk. A server that recovers from the crash of one of its processes may forget the request. After
// stopTime Stop ends it as Close does, and fails.
func (c *Cluster) Stop() error {
	if c.running == nil {
		return nil
	}
	process, late := c.running.Process, make(chan error, 1)
	timer := time.AfterFunc(stopTime, func() { late <- process.Signal(syscall.SIGQUIT) })
	err := c.end(os.Interrupt)
	if !timer.Stop() {
		err = errors.Join(fmt.Errorf("the server did not stop in %v", stopTime), err, <-late)
	}
	return err
}

// end sends the server a signal and waits until it has ended.
func (c *Cluster) end(by os.Signal) error {
	if c.running == nil {
		return nil
	}
	if err := c.running.Process.Signal(by); err != nil {
		return err
	}
	err := c.running.Wait()
	c.running = nil
	return err
}

// Kill9 ends every process of the server with SIGKILL. Restart then recovers.
func (c *Cluster) Kill9() error {
	if c.running == nil {
		return nil
	}
	children, err := childrenOf(c.running.Process.Pid)
	err = errors.Join(err, c.running.Process.Kill())
	for _, pid := range children {
		if e := syscall.Kill(pid, syscall.SIGKILL); !errors.Is(e, syscall.ESRCH) {
			err = errors.Join(err, e)
		}
	}
	_ = c.running.Wait() // it was killed, so it fails
	c.running = nil
	// Another process may soon have the number, and the program that stops the server reads it from
	// this file.
	return errors.Join(err, os.Remove(filepath.Join(c.data(), "postmaster.pid")))
}

// childrenOf returns the children of a process.
func childrenOf(parent int) (pids []int, err error) {
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range stats {
		stat, err := os.ReadFile(path)
		if err != nil {
			continue // the process has ended
		}
		_, rest, _ := strings.Cut(string(stat), ") ")
		if fields := strings.Fields(rest); len(fields) > 1 && fields[1] == strconv.Itoa(parent) {
			pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
			pids = append(pids, pid)
		}
	}
	return pids, err
}

// Close ends the server at once and removes its data.
func (c *Cluster) Close() error {
	err := c.end(syscall.SIGQUIT)
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		err = nil // the server was recovering
	}
	return errors.Join(err, c.Home.Close())
}
