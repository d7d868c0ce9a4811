package postgrestest

import (
	"errors"
	"fmt"
	"io/fs"
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
// server takes connections.
func (c *Cluster) Restart() error {
	if err := c.Stop(); err != nil {
		return err
	}
	return c.start()
}

// start starts the server. Its error contains the end of this start's log.
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

// Kill9 ends every process of the server with SIGKILL and waits until none is left: one would hold
// the memory that the next start needs. Restart then recovers.
func (c *Cluster) Kill9() error {
	if c.running == nil {
		return nil
	}
	err := c.running.Process.Kill()
	_ = c.running.Wait() // it was killed, so it fails
	c.running = nil
	// The first process is gone, so there are no new ones from here on.
	err = errors.Join(err, c.killRest())
	// Another process may soon have the number, and the program that stops the server reads it from
	// this file. A server that did not start has removed it.
	if e := os.Remove(filepath.Join(c.data(), "postmaster.pid")); !errors.Is(e, fs.ErrNotExist) {
		err = errors.Join(err, e)
	}
	return err
}

// killRest ends the processes that the first one has left. They all work in the data directory, and
// a process leaves it after it has let go of its memory.
func (c *Cluster) killRest() error {
	data, err := filepath.EvalSymlinks(c.data())
	if err != nil {
		return err
	}
	for end := time.Now().Add(stopTime); ; time.Sleep(time.Millisecond) {
		pids, err := workingIn(data)
		if err != nil || len(pids) == 0 {
			return err
		}
		for _, pid := range pids {
			if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
				return err
			}
		}
		if time.Now().After(end) {
			return fmt.Errorf("processes %v were killed and have not ended in %v", pids, stopTime)
		}
	}
}

// workingIn returns the processes whose working directory is dir.
func workingIn(dir string) (pids []int, err error) {
	links, err := filepath.Glob("/proc/[0-9]*/cwd")
	for _, link := range links {
		// A process that has ended, or is another user's, has none.
		if at, err := os.Readlink(link); err == nil && at == dir {
			pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(link)))
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
