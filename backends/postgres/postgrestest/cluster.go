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

// Cluster is one PostgreSQL server on a port of its own of the loopback interface, its data in a
// temporary directory. Its methods belong to one goroutine.
type Cluster struct {
	*server.Home
	bin     string
	port    int
	running *exec.Cmd // nil: it does not run
}

// startTime bounds how long a server may take to start, recovery included.
const startTime = time.Minute

// stopTime bounds how long it may take to stop.
const stopTime = time.Minute

// Start starts a server for one test. Settings are lines of postgresql.conf.
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

// Launch starts a server for a program, which closes it; it ends with the program all the same.
func Launch(settings ...string) (*Cluster, error) {
	c, err := newCluster()
	if err != nil {
		return nil, err
	}
	err = c.Run(filepath.Join(c.bin, "initdb"), "-D", c.data(), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync")
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

// open configures what is in the data directory and starts it, on the first port that is free.
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

// configure appends to postgresql.conf, in which the last line of a name counts.
func (c *Cluster) configure(settings []string) error {
	lines := append([]string{
		"listen_addresses = '127.0.0.1'", fmt.Sprintf("port = %d", c.port), "unix_socket_directories = ''",
		"max_connections = 200", "max_prepared_transactions = 16", "timezone = 'UTC'", "log_timezone = 'UTC'", "log_line_prefix = '%m [%p] %a '",
	}, settings...)
	f, err := os.OpenFile(filepath.Join(c.data(), "postgresql.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(strings.Join(lines, "\n") + "\n")
	return errors.Join(err, f.Close())
}

func (c *Cluster) data() string { return filepath.Join(c.Dir, "data") }

// Port is where the server listens.
func (c *Cluster) Port() int { return c.port }

// URL is the superuser's, of the database postgres.
func (c *Cluster) URL() string { return URLAt(c.port) }

// URLAt is URL by way of something that listens on another port and leads to the server.
func URLAt(port int) string {
	return fmt.Sprintf("postgres://postgres@127.0.0.1:%d/postgres?sslmode=disable", port)
}

// Log is the end of the server's log.
func (c *Cluster) Log() string { return c.Tail("log") }

// Restart stops the server if it runs, as an operator does, and starts it. It returns when the
// server takes connections. Processes that were killed a moment ago may still hold the server's
// memory: it is tried again then.
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

// start starts the server, once. Its error has the end of this start's log.
func (c *Cluster) start() error {
	running, err := c.Spawn("log", filepath.Join(c.bin, "postgres"), "-D", c.data())
	if err != nil {
		return err
	}
	c.running = running
	for end := time.Now().Add(startTime); time.Now().Before(end) && server.Alive(running.Process.Pid); time.Sleep(10 * time.Millisecond) {
		if c.ready() {
			return nil
		}
	}
	return fmt.Errorf("the server does not start:\n%s\n%w", c.Log(), c.Kill9())
}

// ready reads the server's own word for it.
func (c *Cluster) ready() bool {
	text, err := os.ReadFile(filepath.Join(c.data(), "postmaster.pid"))
	lines := strings.Split(string(text), "\n")
	if err != nil || len(lines) < 8 {
		return false
	}
	state := strings.TrimSpace(lines[7])
	return lines[0] == strconv.Itoa(c.running.Process.Pid) && (state == "ready" || state == "standby")
}

// Stop stops the server as an operator does: sessions are ended, what has been committed is on
// disk. A server that is asked while it recovers from the crash of one of its processes may forget
// that it was: after stopTime it is ended as Close does, which is an error.
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
	_ = c.running.Wait() // killed: that is no news
	c.running = nil
	// The number may soon be another process's, and whoever stops the server goes by this file.
	return errors.Join(err, os.Remove(filepath.Join(c.data(), "postmaster.pid")))
}

// childrenOf are a process's children.
func childrenOf(parent int) (pids []int, err error) {
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range stats {
		stat, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		_, rest, _ := strings.Cut(string(stat), ") ")
		if fields := strings.Fields(rest); len(fields) > 1 && fields[1] == strconv.Itoa(parent) {
			pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
			pids = append(pids, pid)
		}
	}
	return pids, err
}

// Close ends the server at once, whatever it is about, and removes its data.
func (c *Cluster) Close() error {
	err := c.end(syscall.SIGQUIT)
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		err = nil // it was recovering
	}
	return errors.Join(err, c.Home.Close())
}
