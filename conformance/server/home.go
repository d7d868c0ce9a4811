package server

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

// Home is a temporary directory of one server, and the keeper that clears it when this process has
// ended, however it did.
type Home struct {
	Dir    string
	as     *syscall.Credential
	keeper *exec.Cmd
	held   *os.File // the keeper waits for the end of this pipe, that is, for ours
}

// keep waits until its standard input ends, which is when the process that holds the other end has,
// be it by a panic or SIGKILL. What still runs is stopped then: by the command that is given, for
// each directory with a postmaster.pid, and otherwise by the number in NAME.pid.
const keep = `cat >/dev/null
home=$1; shift
for file in "$home"/*/postmaster.pid; do
  [ ! -f "$file" ] || "$1" -D "$(dirname "$file")" -m immediate -w stop
done
for file in "$home"/*.pid; do
  [ ! -f "$file" ] || kill "$(cat "$file")"
done
rm -rf "$home"`

// NewHome makes the directory for a server that runs as the given user, nil for ourselves. stop is
// a program like pg_ctl.
func NewHome(name, stop string, as *syscall.Credential) (*Home, error) {
	dir, err := os.MkdirTemp("", "secondgate-"+name+"-")
	if err != nil {
		return nil, err
	}
	h := &Home{Dir: dir, as: as}
	if as != nil {
		err = os.Chown(dir, int(as.Uid), int(as.Gid))
	}
	if err == nil {
		err = h.startKeeper(stop)
	}
	if err != nil {
		os.RemoveAll(dir)
		return nil, err
	}
	return h, nil
}

func (h *Home) startKeeper(stop string) error {
	in, held, err := os.Pipe()
	if err != nil {
		return err
	}
	defer in.Close()
	h.keeper, h.held = h.Command("sh", "-c", keep, "keeper", h.Dir, stop), held
	h.keeper.Stdin = in
	return h.keeper.Start()
}

// Command runs as the server's user, in a session of its own: an interrupt from the terminal is for
// the tests, which then end, and the keeper sees it.
func (h *Home) Command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	cmd.Dir = h.Dir
	cmd.Env = append(os.Environ(), "LC_ALL=C", "PGCLIENTENCODING=UTF8")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Credential: h.as}
	return cmd
}

// Run runs a command to its end.
func (h *Home) Run(name string, args ...string) error {
	if out, err := h.Command(name, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", filepath.Base(name), err, out)
	}
	return nil
}

// Spawn starts a server whose output goes to a file of the directory.
func (h *Home) Spawn(log, name string, args ...string) (*exec.Cmd, error) {
	cmd := h.Command(name, args...)
	file, err := os.OpenFile(filepath.Join(h.Dir, log), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	cmd.Stdout, cmd.Stderr = file, file
	return cmd, cmd.Start()
}

// Tail is the end of a log, for error messages.
func (h *Home) Tail(log string) string {
	text, err := os.ReadFile(filepath.Join(h.Dir, log))
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return strings.Join(lines[max(0, len(lines)-20):], "\n")
}

// Close removes everything. Servers must have ended.
func (h *Home) Close() error {
	h.held.Close()
	err := h.keeper.Wait()
	os.RemoveAll(h.Dir) // where the keeper may not: it lacks rights above the directory
	return err
}

// FreePort is a port of the loopback interface that nobody listens on, for now.
func FreePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// Alive is false of a child that has ended, although nobody has waited for it.
func Alive(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return syscall.Kill(pid, 0) == nil // a system without /proc: who waits has a limit of his own
	}
	_, state, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(state, "Z")
}
