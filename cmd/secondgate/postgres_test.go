package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/backends/postgres/postgrestest"
	"github.com/secondgate/secondgate/conformance/client"
	"github.com/secondgate/secondgate/protocol"
)

// roles makes the roles of docs/operations.md, by its text, on a server of their own.
func roles(t *testing.T) (server string, gateway, outsider string) {
	t.Helper()
	blocks := sqlBlocks(operations(t))
	require.Len(t, blocks, 3, "docs/operations.md has the owner, the tighter gateway and the outside writer")
	server = postgrestest.Start(t).URL()
	postgrestest.PSQL(t, server, "CREATE DATABASE apps")
	apps := strings.Replace(server, "/postgres?", "/apps?", 1)
	postgrestest.PSQL(t, apps, blocks[0])
	as := func(role string) string {
		return strings.Replace(apps, "postgres@", role+"@", 1) + "&schema=secondgate"
	}
	return apps, as("secondgate"), as("reporting")
}

// sqlBlocks are the SQL examples of a text.
func sqlBlocks(text string) (blocks []string) {
	for _, part := range strings.Split(text, "```sql\n")[1:] {
		block, _, _ := strings.Cut(part, "```")
		blocks = append(blocks, block)
	}
	return blocks
}

// TestLeastPrivilege: a role without superuser serves, also once it may make nothing any more, and
// what a role writes that has rights on app_data alone is told of.
func TestLeastPrivilege(t *testing.T) {
	t.Parallel()
	server, gateway, outsider := roles(t)
	require.Equal(
		t,
		"f",
		postgrestest.PSQL(
			t, server,
			"SELECT rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls FROM pg_roles WHERE rolname = 'secondgate'",
		),
	)
	first := operate(t, nil, "--backend", gateway)
	first.terminate()
	require.NoError(t, first.command.Wait())
	blocks := sqlBlocks(operations(t))
	postgrestest.PSQL(t, server, blocks[1])
	out, err := secondgate(t, nil, "check", "--backend", gateway)
	require.NoError(t, err, out)
	require.Regexp(t, `(?m)^ok   this role has the rights that it needs$`, out)
	postgrestest.PSQL(t, server, blocks[2])

	o := operate(t, nil, "--heartbeat", "1s", "--backend", gateway)
	scope := protocol.Scope{Workspace: "w", App: "a"}
	c, err := client.Dial(t.Context(), client.URL(o.url, scope))
	require.NoError(t, err)
	defer c.Cut()
	call := func(q protocol.Request) {
		t.Helper()
		m, err := c.Call(t.Context(), q)
		require.NoError(t, err)
		require.Nil(t, m.Error)
	}
	call(
		protocol.Request{
			Type: protocol.TypeInsert, Collection: "c", DocID: "one", Data: []byte(`{"n":1}`),
			MutationID: "m",
		},
	)
	call(
		protocol.Request{
			Type: protocol.TypeUpsert, Collection: "c", Filter: []byte(`{"n":1}`),
			Data: []byte(`{"m":1}`),
		},
	)
	call(protocol.Request{Type: protocol.TypeDelete, Collection: "c", DocID: "one"})
	postgrestest.PSQL(
		t, outsider,
		`INSERT INTO app_data (workspace_id, app_id, collection, id, data) VALUES ('w', 'a', 'c', 'theirs', '{}')`,
	)
	for {
		m, err := c.Next(t.Context())
		require.NoError(t, err)
		if m.Type == protocol.TypeChange && m.DocID == "theirs" {
			break
		}
	}
	for _, forbidden := range []string{
		"SELECT FROM app_data_changes", "DELETE FROM app_data_mutations", "UPDATE app_data_meta SET version = 9",
		"CREATE TABLE x ()", "SELECT app_data_log('', '', '', '', 'truncate', 1)",
	} {
		said, err := postgrestest.TryPSQL(outsider, forbidden)
		require.Error(t, err)
		require.Contains(t, said, "ERROR:  42501", forbidden)
	}
}
