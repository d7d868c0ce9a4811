package postgres_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/backends/postgres"
	"github.com/secondgate/secondgate/backends/postgres/postgrestest"
)

// hostile are settings of a role that would change what is stored, read or promised, and what the
// gateway's sessions must have instead.
var hostile = map[string][2]string{
	"client_encoding":                     {"LATIN1", "UTF8"},
	"DateStyle":                           {"SQL, DMY", "ISO, MDY"},
	"IntervalStyle":                       {"sql_standard", "postgres"},
	"TimeZone":                            {"Africa/Monrovia", "UTC"},
	"standard_conforming_strings":         {"off", "on"},
	"bytea_output":                        {"escape", "hex"},
	"extra_float_digits":                  {"-15", "1"},
	"array_nulls":                         {"off", "on"},
	"synchronous_commit":                  {"off", "on"},
	"default_transaction_isolation":       {"serializable", "read committed"},
	"default_transaction_deferrable":      {"on", "off"},
	"statement_timeout":                   {"7min", "0"},
	"idle_in_transaction_session_timeout": {"7min", "5s"},
	"row_security":                        {"on", "off"},
}

// recording has app_data note the settings of whoever inserts into it.
const recording = `CREATE TABLE seen (name text, value text);
	CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$ BEGIN
		INSERT INTO seen SELECT n, current_setting(n, true) FROM unnest(%s) AS n;
		RETURN NULL;
	END $$;
	CREATE TRIGGER see AFTER INSERT ON app_data FOR EACH ROW EXECUTE FUNCTION see()`

// TestHostileSettingsOfARole: a role's settings do not reach the gateway's sessions.
func TestHostileSettingsOfARole(t *testing.T) {
	t.Parallel()
	url, role := roleWith(t, func(name string) (value string) { return hostile[name][0] })
	b := open(t, url)
	superuser := strings.Replace(url, role+"@", "postgres@", 1)
	postgrestest.PSQL(t, superuser, fmt.Sprintf(recording, names())+"; GRANT INSERT ON seen TO "+role)
	for _, id := range []string{"a", "b"} { // by a group, and by itself
		write(t, b, tx(insert(id, `{"text":"ü€\\'","at":"1970-01-01"}`), insert(id+id, `{}`)))
		write(t, b, tx(insert(id+id+id, `{"text":"ü€\\'"}`)))
	}
	require.JSONEq(t, `{"text":"ü€\\'","at":"1970-01-01"}`, string(get(t, b, note("a")).Data))
	stored := postgrestest.PSQL(t, superuser, "SELECT data->>'text' FROM app_data WHERE id = 'a'")
	require.Equal(t, "ü€\\'", stored)
	for name, values := range hostile {
		require.Equal(t, values[1], postgrestest.PSQL(t, superuser,
			"SELECT string_agg(DISTINCT value, ' and ') FROM seen WHERE name = '"+name+"'"), name)
	}
	requireExact(t, b, watch(t, b, nil))
}

// roleWith makes a role that owns a schema and has hostile settings.
func roleWith(t *testing.T, value func(name string) string) (url, role string) {
	t.Helper()
	superuser := postgrestest.Schema(t)
	schema := postgrestest.SchemaOf(superuser)
	role = "r_" + schema
	script := "CREATE ROLE " + role + " LOGIN; ALTER SCHEMA " + schema + " OWNER TO " + role
	for name := range hostile {
		if value := value(name); value != "" {
			script += fmt.Sprintf("; ALTER ROLE %s SET %s = '%s'", role, name, value)
		}
	}
	postgrestest.PSQL(t, superuser, script)
	t.Cleanup(func() {
		postgrestest.PSQL(t, superuser, "ALTER SCHEMA "+schema+" OWNER TO postgres; REASSIGN OWNED BY "+role+
			" TO postgres; DROP OWNED BY "+role+"; DROP ROLE "+role)
	})
	return strings.Replace(superuser, "postgres@", role+"@", 1), role
}

func names() string {
	list := "ARRAY["
	for name := range hostile {
		list += "'" + name + "',"
	}
	return strings.TrimSuffix(list, ",") + "]"
}

// TestURLThatContradicts: a URL that sets one of these settings otherwise is refused.
func TestURLThatContradicts(t *testing.T) {
	t.Parallel()
	server := postgrestest.Schema(t)
	for name, values := range hostile {
		if name == "row_security" {
			continue // either value will do: the gateway sets it
		}
		for _, given := range []string{
			"&" + strings.ToLower(name) + "=" + strings.ReplaceAll(values[0], " ", "%20"),
			"&options=-c%20" + name + "=" + strings.ReplaceAll(values[0], " ", "\\%20"),
			"&options=--" + strings.ReplaceAll(name, "_", "-") + "=x",
		} {
			_, err := postgres.Open(t.Context(), postgres.Options{URL: server + given})
			require.ErrorContains(t, err, "the PostgreSQL URL sets "+strings.ToLower(name), given)
			_, err = postgres.Open(t.Context(), postgres.Options{URL: server, Direct: server + given})
			require.ErrorContains(t, err, "the PostgreSQL URL sets "+strings.ToLower(name), given)
			finding := postgres.Check(t.Context(), server+given, "")[0]
			require.Equal(t, "fail", finding.Level)
		}
	}
	open(t, server+"&client_encoding=utf8&synchronous_commit=remote_apply&options=-c%20work_mem=8MB")
}

// TestDatabaseOfAnotherEncoding: such a database cannot hold what clients write.
func TestDatabaseOfAnotherEncoding(t *testing.T) {
	t.Parallel()
	server := postgrestest.URL(t)
	name := "latin_" + postgrestest.SchemaOf(postgrestest.Schema(t))
	postgrestest.PSQL(t, server, "CREATE DATABASE "+name+
		" ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0")
	t.Cleanup(func() { postgrestest.PSQL(t, server, "DROP DATABASE "+name) })
	latin := strings.Replace(server, "/postgres?", "/"+name+"?", 1)
	requireRefused(t, latin, "the database's encoding is LATIN1",
		"createdb --encoding=UTF8")
}

func TestReadOnlyByDefaultIsRefused(t *testing.T) {
	t.Parallel()
	url, role := roleWith(t, func(string) string { return "" })
	postgrestest.PSQL(t, strings.Replace(url, role+"@", "postgres@", 1),
		"ALTER ROLE "+role+" SET default_transaction_read_only = on")
	requireRefused(t, url, "default_transaction_read_only is on", "SET default_transaction_read_only = off")
}

// TestPoolerOfAHostileRole: nothing can be set through a pooler, so what would lose something is
// refused.
func TestPoolerOfAHostileRole(t *testing.T) {
	t.Parallel()
	for name, fix := range map[string]string{
		"synchronous_commit":            "SET synchronous_commit = 'on'",
		"default_transaction_isolation": "SET default_transaction_isolation = 'read committed'",
	} {
		url, _ := roleWith(t, func(other string) string {
			if other != name {
				return ""
			}
			return hostile[name][0]
		})
		pooled := postgrestest.Pooler(t, url, 3) + "&schema=" + postgrestest.SchemaOf(url)
		requireRefused(t, pooled, name+" is "+hostile[name][0], fix)
	}
}

// requireRefused requires that neither serve nor check accepts a URL, and that both say why.
func requireRefused(t *testing.T, url, what, fix string) {
	t.Helper()
	_, err := postgres.Open(t.Context(), postgres.Options{URL: url})
	require.ErrorContains(t, err, what)
	require.ErrorContains(t, err, fix)
	for _, f := range postgres.Check(t.Context(), url, "") {
		if f.Level == "fail" && strings.Contains(f.What+f.Fix, what) && strings.Contains(f.Fix, fix) {
			return
		}
	}
	require.Fail(t, "check does not say it", "%+v", postgres.Check(t.Context(), url, ""))
}
