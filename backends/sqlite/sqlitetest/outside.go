package sqlitetest

import (
	"encoding/hex"
	"fmt"
	"os/exec"
	"strings"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/conformance"
	"github.com/secondgate/secondgate/protocol"
)

// CLI runs a script in the sqlite3 command and returns its output. It ends the test if a statement
// fails.
func CLI(t conformance.T, path, script string) string {
	t.Helper()
	out, err := TryCLI(path, script)
	if err != nil {
		t.Fatalf("sqlite3: %v\n%s", err, out)
	}
	return out
}

// TryCLI is CLI for scripts that may fail.
func TryCLI(path, script string) (string, error) {
	cmd := exec.Command("sqlite3", "-batch", "-bail", path)
	cmd.Stdin = strings.NewReader(".timeout 5000\n" + script)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// Outside writes with the sqlite3 command.
func (Harness) Outside(_ conformance.T, b backends.Backend) conformance.Outside {
	return outside{path(b)}
}

type outside struct{ path string }

// Do implements [conformance.Outside].
func (o outside) Do(t conformance.T, commit bool, steps ...conformance.Step) {
	t.Helper()
	script := strings.Builder{}
	script.WriteString("BEGIN IMMEDIATE;\n")
	for _, s := range steps {
		script.WriteString(SQL(s) + ";\n")
	}
	if commit {
		script.WriteString("COMMIT;\n")
	} else {
		script.WriteString("ROLLBACK;\n")
	}
	CLI(t, o.path, script.String())
}

// SQL is a step as one statement.
func SQL(s conformance.Step) string {
	const columns = "INTO app_data (workspace_id, app_id, collection, id, data) VALUES"
	switch s.Kind {
	case "insert":
		return fmt.Sprintf("INSERT %s (%s, %s)", columns, key(s.Ref, ", "), Text(s.Data))
	case "replace":
		return fmt.Sprintf("INSERT OR REPLACE %s (%s, %s)", columns, key(s.Ref, ", "), Text(s.Data))
	case "update":
		return fmt.Sprintf("UPDATE app_data SET data = %s WHERE %s", Text(s.Data), where(s.Ref))
	case "move":
		return fmt.Sprintf("UPDATE app_data SET (workspace_id, app_id, collection, id) = (%s) WHERE %s",
			key(s.To, ", "), where(s.Ref))
	default:
		return "DELETE FROM app_data WHERE " + where(s.Ref)
	}
}

func where(r protocol.Ref) string {
	return "(workspace_id, app_id, collection, id) = (" + key(r, ", ") + ")"
}

func key(r protocol.Ref, separator string) string {
	return strings.Join([]string{Text(r.Scope.Workspace), Text(r.Scope.StoredApp()), Text(r.Collection),
		Text(r.ID)}, separator)
}

// Text is s as an SQL literal. s may hold any bytes.
func Text(s string) string {
	for _, c := range []byte(s) {
		if c < ' ' || c > '~' {
			return "CAST(x'" + hex.EncodeToString([]byte(s)) + "' AS TEXT)"
		}
	}
	return "'" + strings.ReplaceAll(s, "'", "''") + "'"
}
