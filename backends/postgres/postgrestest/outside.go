package postgrestest

import (
	"fmt"
	"strings"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/conformance"
	"github.com/secondgate/secondgate/protocol"
)

// Outside writes with the psql command.
func (h *Harness) Outside(_ conformance.T, b backends.Backend) conformance.Outside {
	return outside{h.url(b)}
}

type outside struct{ url string }

// passing are the SQLSTATEs of conflicts between concurrent transactions: a deadlock, or a document
// that was inserted while another transaction replaces it. An outside writer then tries again.
var passing = []string{"ERROR:  23505", "ERROR:  40P01", "ERROR:  40001"}

// Do implements [conformance.Outside].
func (o outside) Do(t conformance.T, commit bool, steps ...conformance.Step) {
	t.Helper()
	script := strings.Builder{}
	script.WriteString("BEGIN;\n")
	for _, s := range steps {
		script.WriteString(SQL(s) + ";\n")
	}
	if commit {
		script.WriteString("COMMIT;")
	} else {
		script.WriteString("ROLLBACK;")
	}
	for n := 1; ; n++ {
		out, err := TryPSQL(o.url, script.String())
		if err == nil {
			return
		}
		if n == 50 || !accident(out) {
			t.Fatalf("psql: %v\n%s", err, out)
		}
	}
}

func accident(out string) bool {
	for _, state := range passing {
		if strings.Contains(out, state) {
			return true
		}
	}
	return false
}

// SQL is a step as statements.
func SQL(s conformance.Step) string {
	insert := "INSERT INTO app_data (workspace_id, app_id, collection, id, data) VALUES (" + key(s.Ref) + ", " +
		Text(s.Data) + ")"
	remove := "DELETE FROM app_data WHERE " + where(s.Ref)
	switch s.Kind {
	case "insert":
		return insert
	case "replace":
		return remove + "; " + insert
	case "update":
		return fmt.Sprintf("UPDATE app_data SET data = %s WHERE %s", Text(s.Data), where(s.Ref))
	case "move":
		return fmt.Sprintf("UPDATE app_data SET (workspace_id, app_id, collection, id) = (%s) WHERE %s", key(s.To),
			where(s.Ref))
	default:
		return remove
	}
}

func where(r protocol.Ref) string { return "(workspace_id, app_id, collection, id) = (" + key(r) + ")" }

func key(r protocol.Ref) string {
	return strings.Join([]string{Text(r.Scope.Workspace), Text(r.Scope.StoredApp()), Text(r.Collection),
		Text(r.ID)}, ", ")
}

// Text is s as an SQL literal.
func Text(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }
