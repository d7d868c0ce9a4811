package postgrestest

import (
	"bytes"
	"path/filepath"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/conformance"
)

// Backup dumps b's schema with pg_dump. To restore it, psql loads the dump in place of the schema.
func (h *Harness) Backup(t conformance.T, b backends.Backend) (restore func() backends.Backend) {
	t.Helper()
	url, file := h.url(b), filepath.Join(t.TempDir(), "backup.sql")
	Dump(t, url, file)
	return func() backends.Backend {
		if err := b.Close(); err != nil {
			t.Fatalf("close: %v", err)
		}
		PSQL(t, url, "DROP SCHEMA "+SchemaOf(url)+" CASCADE;\n\\i "+file)
		return h.open(t, url)
	}
}

// Dump writes the schema of a gateway's URL to a file of SQL.
func Dump(t conformance.T, url, file string) {
	t.Helper()
	var failed bytes.Buffer
	cmd := client("pg_dump", "--schema="+SchemaOf(url), "--file="+file, ForClients(url))
	cmd.Stderr = &failed
	if err := cmd.Run(); err != nil {
		t.Fatalf("pg_dump: %v\n%s", err, failed.String())
	}
}
