package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/backends/postgres/postgrestest"
)

// TestCheckPostgres: each thing that can be wrong with a database is found, and named with its way
// out.
func TestCheckPostgres(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		sql  string // damages the tables of a gateway
		url  string // what becomes of the URL: old=new
		says string // a line, as a regular expression
	}{
		{"nothing", "", "", `ok   all triggers are as secondgate made them, and enabled always`},
		{
			"a trigger dropped", "DROP TRIGGER app_data_changed ON app_data", "",
			`fail the trigger app_data_changed is missing -> restore it from`,
		},
		{
			"another dropped", "DROP TRIGGER app_data_truncated ON app_data", "",
			`fail the trigger app_data_truncated is missing -> restore it from`,
		},
		{
			"a trigger disabled", "ALTER TABLE app_data DISABLE TRIGGER app_data_changed", "",
			`fail the trigger app_data_changed is not enabled always -> ALTER TABLE app_data ENABLE ALWAYS TRIGGER app_data_changed;`,
		},
		{
			"a trigger not for replicas", "ALTER TABLE app_data ENABLE TRIGGER app_data_stamped", "",
			`fail the trigger app_data_stamped is not enabled always -> ALTER TABLE`,
		},
		{
			"a trigger for inserts alone",
			"DROP TRIGGER app_data_changed ON app_data; CREATE TRIGGER app_data_changed AFTER INSERT ON app_data FOR EACH ROW EXECUTE FUNCTION app_data_changed()",
			"", `fail the trigger app_data_changed is not as secondgate made it -> restore it`,
		},
		{
			"a function replaced",
			"CREATE OR REPLACE FUNCTION app_data_changed() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
			"", `fail the trigger app_data_changed is not as secondgate made it -> restore it`,
		},
		{
			"numbers cached", "ALTER TABLE app_data_changes ALTER seq SET CACHE 20", "",
			`fail the log's sequence has CACHE 20 -> ALTER TABLE app_data_changes ALTER seq SET CACHE 1;`,
		},
		{
			"a newer schema", "UPDATE app_data_meta SET version = 99", "",
			`fail .*the tables were made by a newer secondgate .*upgrade secondgate`,
		},
		{
			"a table of another program", "DROP TABLE app_data_meta", "",
			`fail .*there is a table app_data that secondgate has not made: name another schema`,
		},
		{
			"no such role", "", "postgres@=nobody_here@",
			`fail PostgreSQL refuses the user or its password -> look at the URL`,
		},
		{
			"no such database", "", "/postgres?=/nothing?",
			`fail the database does not exist -> make it with createdb`,
		},
		{"nobody listens", "", "127.0.0.1:=127.0.0.2:", `fail cannot open the PostgreSQL database`},
		{
			"no such schema", "", "schema==schema=x",
			`fail the schema "xt\w+" is not there, or not this role's to use -> CREATE SCHEMA`,
		},
		{"no URL", "", "postgres://=postgres://%zz", `fail the PostgreSQL URL cannot be read.*-> correct the URL`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			url := postgrestest.Schema(t)
			o := operate(t, nil, "--backend", url)
			o.terminate()
			require.NoError(t, o.command.Wait())
			if c.sql != "" {
				postgrestest.PSQL(t, url, c.sql)
			}
			if from, to, changes := strings.Cut(c.url, "="); changes {
				if from == "schema" {
					from, to = "schema=", to[1:]
				}
				require.Contains(t, url, from)
				url = strings.Replace(url, from, to, 1)
			}
			out, err := secondgate(t, nil, "check", "--backend", url)
			require.Regexp(t, "(?m)^"+c.says, out)
			require.Equal(
				t, strings.HasPrefix(c.says, "fail"), err != nil, "the exit status goes by the findings: %s", out,
			)
		})
	}
}

// TestCheckPostgresRights: what a role lacks is named, right by right.
func TestCheckPostgresRights(t *testing.T) {
	t.Parallel()
	server, gateway, _ := roles(t)
	out, err := secondgate(t, nil, "check", "--backend", gateway)
	require.NoError(t, err, out)
	require.Regexp(t, `(?m)^ok   this role may make the tables$`, out)
	postgrestest.PSQL(
		t, server, "ALTER SCHEMA secondgate OWNER TO postgres; GRANT USAGE ON SCHEMA secondgate TO secondgate",
	)
	out, err = secondgate(t, nil, "check", "--backend", gateway)
	require.Error(t, err)
	require.Regexp(t, `(?m)^fail the tables are not there and this role may not make them -> GRANT CREATE`, out)
	first := operate(t, nil, "--backend", strings.Replace(gateway, "secondgate@", "postgres@", 1))
	first.terminate()
	require.NoError(t, first.command.Wait())
	postgrestest.PSQL(t, server, "GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA secondgate TO secondgate")
	out, err = secondgate(t, nil, "check", "--backend", gateway)
	require.Error(t, err)
	require.Regexp(
		t,
		`(?m)^fail this role lacks DELETE on app_data, DELETE on app_data_changes, .*TRUNCATE on app_data_changes -> GRANT them`,
		out,
	)
	out, err = secondgate(
		t, nil, "serve", "--listen", "127.0.0.1:0", "--admin", "", "--backend",
		strings.Replace(gateway, "secondgate@", "nobody_here@", 1),
	)
	require.Error(t, err)
	require.Contains(t, out, "PostgreSQL refuses the user or its password")
}

// TestCheckPostgresDirect: a direct connection that fails, or does not hear, is a warning, because
// serving goes on.
func TestCheckPostgresDirect(t *testing.T) {
	t.Parallel()
	url := postgrestest.Schema(t)
	out, err := secondgate(
		t, nil, "check", "--backend", url, "--backend-direct", "postgres://127.0.0.1:1/postgres",
	)
	require.NoError(t, err, out)
	require.Regexp(t, `(?m)^warn the direct connection fails -> serve works without`, out)
	out, err = secondgate(t, nil, "check", "--backend", url)
	require.NoError(t, err, out)
	require.Regexp(t, `(?m)^ok   notifications are heard$`, out)
	require.Regexp(t, `(?m)^warn the tables are not there yet: serve makes them -> `, out)
	require.Empty(
		t, postgrestest.PSQL(t, url, "SELECT tablename FROM pg_tables WHERE schemaname = current_schema()"),
		"it has made something",
	)
}
