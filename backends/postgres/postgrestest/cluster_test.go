package postgrestest_test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/secondgate/secondgate/backends/postgres/postgrestest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestCluster: committed data survives SIGKILL of every process, and a restart.
func TestCluster(t *testing.T) {
	t.Parallel()
	c := postgrestest.Start(t, "work_mem = '5MB'")
	require.Equal(t, "5MB", postgrestest.PSQL(t, c.URL(),
		"CREATE TABLE kept (n int); INSERT INTO kept VALUES (1); SHOW work_mem"))
	require.NoError(t, c.Kill9())
	_, err := postgrestest.TryPSQL(c.URL(), "SELECT 1")
	require.Error(t, err)
	require.NoError(t, c.Restart())
	require.NoError(t, c.Restart())
	require.Equal(t, "1", postgrestest.PSQL(t, c.URL(), "SELECT n FROM kept"))
}

// TestKillsOrphans: a process that outlives the server's first one, as one that was begun in the
// moment of a kill, is killed too, so the next start finds its memory free.
func TestKillsOrphans(t *testing.T) {
	t.Parallel()
	c := postgrestest.Start(t)
	orphan, err := strconv.Atoi(postgrestest.PSQL(t, c.URL(),
		"SELECT pid FROM pg_stat_activity WHERE backend_type = 'checkpointer'"))
	require.NoError(t, err)
	file, err := os.ReadFile(filepath.Join(c.Dir, "data", "postmaster.pid"))
	require.NoError(t, err)
	first, err := strconv.Atoi(strings.Split(string(file), "\n")[0])
	require.NoError(t, err)
	require.NoError(t, syscall.Kill(orphan, syscall.SIGSTOP)) // or it would notice and end
	require.NoError(t, syscall.Kill(first, syscall.SIGKILL))
	require.Eventually(t, func() bool {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", orphan))
		return err == nil && !strings.Contains(string(stat), fmt.Sprintf(") T %d ", first))
	}, time.Minute, 10*time.Millisecond, "the process still has its parent")
	require.NoError(t, c.Kill9())
	require.NoError(t, c.Restart())
}

// TestSchema: the gateway and psql use the same schema, which no other test uses.
func TestSchema(t *testing.T) {
	t.Parallel()
	one, two := postgrestest.Schema(t), postgrestest.Schema(t)
	postgrestest.PSQL(t, one, "CREATE TABLE x (n int)")
	out, err := postgrestest.TryPSQL(two, "SELECT * FROM x")
	require.Error(t, err)
	require.Contains(t, out, "ERROR:  42P01")
}

// TestEndsWithProcess: a process that is killed, as by a panic or a time-out, leaves no server and
// no file behind.
func TestEndsWithProcess(t *testing.T) {
	t.Parallel()
	if dir := os.Getenv("SECONDGATE_TEST_DYING"); dir != "" {
		c := postgrestest.Start(t)
		require.NoError(t, os.WriteFile(filepath.Join(dir, "port"), []byte(fmt.Sprint(c.Port())), 0o600))
		require.NoError(t, syscall.Kill(os.Getpid(), syscall.SIGKILL))
	}
	dir := t.TempDir()
	cmd := exec.Command(os.Args[0], "-test.run=^TestEndsWithProcess$")
	cmd.Env = append(os.Environ(), "SECONDGATE_TEST_DYING="+dir, "TMPDIR="+open(t, dir))
	out, err := cmd.CombinedOutput()
	require.ErrorContains(t, err, "killed", "%s", out)
	port, err := os.ReadFile(filepath.Join(dir, "port"))
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		left, err := filepath.Glob(filepath.Join(dir, "open", "secondgate-postgres-*"))
		_, dialed := net.Dial("tcp", "127.0.0.1:"+strings.TrimSpace(string(port)))
		return err == nil && len(left) == 0 && dialed != nil
	}, 2*time.Minute, 50*time.Millisecond)
}

// open is a directory that the server's user may write to.
func open(t *testing.T, dir string) string {
	t.Helper()
	path := filepath.Join(dir, "open")
	require.NoError(t, os.Mkdir(path, 0o700))
	require.NoError(t, os.Chmod(path, 0o777))
	for parent := dir; parent != os.TempDir() && parent != "/"; parent = filepath.Dir(parent) {
		require.NoError(t, os.Chmod(parent, 0o755))
	}
	return path
}

// TestCloseInRecovery: a server that recovers from the crash of one of its processes may forget
// that it was asked to stop.
func TestCloseInRecovery(t *testing.T) {
	t.Parallel()
	for i := range 6 {
		c, err := postgrestest.Launch()
		require.NoError(t, err)
		pid, err := strconv.Atoi(postgrestest.PSQL(t, c.URL(),
			"SELECT pid FROM pg_stat_activity WHERE backend_type = 'checkpointer'"))
		require.NoError(t, err)
		require.NoError(t, syscall.Kill(pid, syscall.SIGKILL))
		time.Sleep(time.Duration(i) * 4 * time.Millisecond)
		require.NoError(t, c.Close())
	}
}
