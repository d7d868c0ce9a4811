package postgrestest

import (
	"os"
	"os/exec"
	"strings"

	"github.com/secondgate/secondgate/conformance"
)

// PSQL runs a script in the psql command, in the schema of a gateway's URL. It returns the output:
// bare values, with columns separated by "|". It ends the test if a statement fails.
func PSQL(t conformance.T, url, script string) string {
	t.Helper()
	out, err := TryPSQL(url, script)
	if err != nil {
		t.Fatalf("psql: %v\n%s", err, out)
	}
	return out
}

// TryPSQL is PSQL for scripts that may fail. Errors contain their SQLSTATE.
func TryPSQL(url, script string) (string, error) {
	cmd := client("psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-v", "VERBOSITY=verbose",
		ForClients(url))
	cmd.Stdin = strings.NewReader(script + "\n")
	out, err := cmd.CombinedOutput()
	return strings.TrimSuffix(string(out), "\n"), err
}

// client is a client program of PostgreSQL that runs as our own user.
func client(name string, args ...string) *exec.Cmd {
	bin, _ := binaries() // clients may exist without a server
	cmd := exec.Command(program(bin, name), args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C", "PGCLIENTENCODING=UTF8", "PGTZ=UTC")
	return cmd
}
