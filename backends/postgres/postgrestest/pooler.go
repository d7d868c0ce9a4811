package postgrestest

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/secondgate/secondgate/conformance"
	"github.com/secondgate/secondgate/conformance/server"
)

// Pooler starts pgbouncer in transaction mode in front of a server and returns a URL through it.
// size is the number of its connections to the server.
func Pooler(t conformance.T, upstream string, size int) string {
	t.Helper()
	h, err := newHome("pg_ctl")
	if err != nil {
		t.Fatalf("start pgbouncer: %v", err)
	}
	port, err := server.FreePort()
	if err == nil {
		err = configurePooler(h, upstream, port, size)
	}
	if err != nil {
		t.Fatalf("start pgbouncer: %v", err)
	}
	cmd, err := h.Spawn("log", pgbouncer(), filepath.Join(h.Dir, "pgbouncer.ini"))
	if err != nil {
		t.Fatalf("start pgbouncer: %v: run ci/setup.sh", err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // it was killed, so it fails
		os.Remove(filepath.Join(h.Dir, "pgbouncer.pid"))
		if err := h.Close(); err != nil {
			t.Errorf("stop pgbouncer: %v", err)
		}
	})
	for end := time.Now().Add(startTime); ; time.Sleep(10 * time.Millisecond) {
		if conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
			conn.Close()
			return URLAt(port)
		}
		if time.Now().After(end) || !server.Alive(cmd.Process.Pid) {
			t.Fatalf("pgbouncer does not start:\n%s", h.Tail("log"))
		}
	}
}

func configurePooler(h *server.Home, upstream string, port, size int) error {
	to, err := pgx.ParseConfig(with(upstream, "schema", ""))
	if err != nil {
		return err
	}
	quoted := func(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }
	password := ""
	if to.Password != "" {
		password = " password=" + quoted(to.Password)
	}
	text := fmt.Sprintf(`[databases]
postgres = host=%s port=%d dbname=%s user=%s%s
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = %d
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = %d
pidfile = %s
ignore_startup_parameters = extra_float_digits
`, quoted(to.Host), to.Port, quoted(to.Database), quoted(to.User), password, port, size, filepath.Join(h.Dir,
		"pgbouncer.pid"))
	return os.WriteFile(filepath.Join(h.Dir, "pgbouncer.ini"), []byte(text), 0o644)
}

// pgbouncer is the program where Debian installs it, which is not in an ordinary user's path.
func pgbouncer() string {
	const debian = "/usr/sbin/pgbouncer"
	if _, err := os.Stat(debian); err == nil {
		return debian
	}
	return "pgbouncer"
}
