package postgrestest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/secondgate/secondgate/conformance/server"
)

// binaries is the directory of initdb and postgres: SECONDGATE_TEST_POSTGRES_BIN, or the newest
// version of the system.
func binaries() (string, error) {
	if dir := os.Getenv("SECONDGATE_TEST_POSTGRES_BIN"); dir != "" {
		return dir, complete(dir)
	}
	candidates, _ := filepath.Glob("/usr/lib/postgresql/*/bin") // the pattern is well-formed
	slices.SortFunc(candidates, func(a, b string) int { return major(b) - major(a) })
	if out, err := exec.Command("pg_config", "--bindir").Output(); err == nil {
		candidates = append(candidates, strings.TrimSpace(string(out)))
	}
	if path, err := exec.LookPath("initdb"); err == nil {
		candidates = append(candidates, filepath.Dir(path))
	}
	for _, dir := range candidates {
		if complete(dir) == nil {
			return dir, nil
		}
	}
	return "", errors.New("no PostgreSQL server is installed: run ci/setup.sh, or name its binaries in " +
		"SECONDGATE_TEST_POSTGRES_BIN or a server in SECONDGATE_TEST_POSTGRES_URL")
}

// major is the version in /usr/lib/postgresql/15/bin.
func major(dir string) int {
	n, _ := strconv.Atoi(filepath.Base(filepath.Dir(dir)))
	return n
}

func complete(dir string) error {
	for _, name := range []string{"initdb", "postgres", "pg_ctl"} {
		if _, err := exec.LookPath(filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	return nil
}

// program finds a client program, preferably beside the server's binaries.
func program(dir, name string) string {
	if path, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
		return path
	}
	return name
}

// newHome is the directory of a server whose programs are beside pgCtl.
func newHome(pgCtl string) (*server.Home, error) {
	as, err := unprivileged()
	if err != nil {
		return nil, err
	}
	return server.NewHome("postgres", pgCtl, as)
}

// unprivileged is the user as whom servers run, nil for our own: PostgreSQL and pgbouncer refuse
// root.
func unprivileged() (*syscall.Credential, error) {
	if os.Getuid() != 0 {
		return nil, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, e1 := strconv.ParseUint(u.Uid, 10, 32)
		gid, e2 := strconv.ParseUint(u.Gid, 10, 32)
		if err := errors.Join(e1, e2); err != nil {
			return nil, fmt.Errorf("user %s: %w", name, err)
		}
		return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
	}
	return nil, errors.New("PostgreSQL does not run as root, and there is neither a user postgres nor nobody")
}
