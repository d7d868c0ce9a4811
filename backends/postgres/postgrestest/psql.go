package postgrestest

import (
	"os"
	"os/exec"
	"strings"

	"github.com/secondgate/secondgate/conformance"
)

// PSQL runs a script in the psql command, in the schema of a gateway's URL, and returns what it
// prints: bare values, columns parted by "|". It ends the test if any statement fails.
func PSQL(t conformance.T, url, script string) string {
	t.Helper()
	out, err := TryPSQL(url, script)
	if err != nil {
		t.Fatalf("psql: %v\n%s", err, out)
	}
	return out
}

// TryPSQL is PSQL for scripts that may fail. Errors come with their SQLSTATE.
func TryPSQL(url, script string) (string, error) {
	cmd := client("psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-v", "VERBOSITY=verbose", ForClients(url))
	cmd.Stdin = strings.NewReader(script + "\n")
	out, err := cmd.CombinedOutput()
	return strings.TrimSuffix(string(out), "\n"), err
}

// client is a program of PostgreSQL's that runs as we do.
func client(name string, args ...string) *exec.Cmd {
	bin, _ := binaries() // without a server's there may still be clients
	cmd := exec.Command(program(bin, name), args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C", "PGCLIENTENCODING=UTF8", "PGTZ=UTC")
	return cmd
}
