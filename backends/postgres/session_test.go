package postgres_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/backends/postgres/postgrestest"
)

// session is a connection of another program, for transactions that stay open.
type session struct {
	*testing.T
	*pgx.Conn
}

// outsider connects to the schema of a gateway's URL.
func outsider(t *testing.T, url string) session {
	t.Helper()
	conn, err := pgx.Connect(context.Background(), postgrestest.ForClients(url))
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close(context.Background()) })
	return session{t, conn}
}

func (s session) do(sql string, args ...any) {
	s.Helper()
	_, err := s.Exec(context.Background(), sql, args...)
	require.NoError(s, err, sql)
}

// value is the single value of a query, as text.
func (s session) value(sql string, args ...any) (text string) {
	s.Helper()
	require.NoError(s, s.QueryRow(context.Background(), "SELECT ("+sql+")::text", args...).Scan(&text), sql)
	return text
}

// put is an SQL statement that inserts or replaces a note.
func put(id, data string) string {
	return fmt.Sprintf(`INSERT INTO app_data (workspace_id, app_id, collection, id, data)
		VALUES ('w', 'app', 'notes', '%s', '%s')
		ON CONFLICT (workspace_id, app_id, collection, id) DO UPDATE SET data = excluded.data`, id, data)
}
