package postgrestest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

// home is a temporary directory of one server, and the keeper that clears it.
type home struct {
	dir    string
	as     *syscall.Credential
	keeper *exec.Cmd
	held   *os.File // the keeper waits for the end of this pipe, that is, for ours
}

// keep waits until its standard input ends, which is when the process that holds the other end has, be it by a panic
// or SIGKILL. What still runs in the directories is stopped then, by the command that follows.
const keep = `cat >/dev/null
home=$1; shift
for file in "$home"/*/postmaster.pid; do
  [ ! -f "$file" ] || "$1" -D "$(dirname "$file")" -m immediate -w stop
done
for file in "$home"/*.pid; do
  [ ! -f "$file" ] || kill "$(cat "$file")"
done
rm -rf "$home"`

// newHome makes the directory. pgCtl stops what may be left in it.
func newHome(pgCtl string) (*home, error) {
	as, err := unprivileged()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "secondgate-postgres-")
	if err != nil {
		return nil, err
	}
	h := &home{dir: dir, as: as}
	if as != nil {
		err = os.Chown(dir, int(as.Uid), int(as.Gid))
	}
	if err == nil {
		err = h.startKeeper(pgCtl)
	}
	if err != nil {
		os.RemoveAll(dir)
		return nil, err
	}
	return h, nil
}

func (h *home) startKeeper(pgCtl string) error {
	in, held, err := os.Pipe()
	if err != nil {
		return err
	}
	defer in.Close()
	h.keeper, h.held = h.command("sh", "-c", keep, "keeper", h.dir, pgCtl), held
	h.keeper.Stdin = in
	return h.keeper.Start()
}

// command runs as the server's user, in a session of its own: an interrupt from the terminal is for the tests, which
// then end, and the keeper sees it.
func (h *home) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	cmd.Dir = h.dir
	cmd.Env = append(os.Environ(), "LC_ALL=C", "PGCLIENTENCODING=UTF8")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Credential: h.as}
	return cmd
}

// run runs a command to its end.
func (h *home) run(name string, args ...string) error {
	if out, err := h.command(name, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", filepath.Base(name), err, out)
	}
	return nil
}

// spawn starts a server whose output goes to a file of the directory.
func (h *home) spawn(log, name string, args ...string) (*exec.Cmd, error) {
	cmd := h.command(name, args...)
	file, err := os.OpenFile(filepath.Join(h.dir, log), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	cmd.Stdout, cmd.Stderr = file, file
	return cmd, cmd.Start()
}

// tail is the end of a log, for error messages.
func (h *home) tail(log string) string {
	text, err := os.ReadFile(filepath.Join(h.dir, log))
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return strings.Join(lines[max(0, len(lines)-20):], "\n")
}

// close removes everything. Servers must have ended.
func (h *home) close() error {
	h.held.Close()
	err := h.keeper.Wait()
	os.RemoveAll(h.dir) // where the keeper may not: it lacks rights above the directory
	return err
}
