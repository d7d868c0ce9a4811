package postgres

import (
	"cmp"
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/secondgate/secondgate/backends/driverkit"
)

// Settings of a session change what is stored, what is read and what is promised. Roles, databases,
// servers and URLs have them too. So the gateway sets each on every connection, refuses a URL that
// says otherwise, and behind a pooler refuses a server that does.

// setting is a setting of the server that the gateway relies on.
type setting struct {
	name, value string
	also        []string // other values that will do, in lower case
	since       int      // the first server that has it, 0: all
	// lasting is true if a pooler restores the setting for each of its clients. It refuses others
	// at the start of a connection.
	lasting bool
	// must is true if a pooler's server must have the value. Without the others requests may fail,
	// and nothing is lost.
	must bool
}

var settings = []setting{
	{name: "client_encoding", value: "UTF8", also: []string{"utf-8", "unicode"}, lasting: true},
	{name: "datestyle", value: "ISO", also: []string{"iso, mdy", "iso, dmy", "iso, ymd"}, lasting: true},
	{name: "timezone", value: "UTC", also: []string{"etc/utc", "gmt", "etc/gmt"}, lasting: true},
	{name: "standard_conforming_strings", value: "on", lasting: true},
	{name: "intervalstyle", value: "postgres"},
	{name: "bytea_output", value: "hex"},
	{name: "extra_float_digits", value: "1", also: []string{"2", "3"}},
	{name: "array_nulls", value: "on", must: true},
	// With off, a query fails where a policy would hide rows.
	{name: "row_security", value: "off", also: []string{"on"}},
	// All but off wait for this server's disk. What more they wait for is the operator's choice.
	{
		name: "synchronous_commit", value: "on", must: true,
		also: []string{"local", "remote_write", "remote_apply"},
	},
	{name: "default_transaction_isolation", value: "read committed", must: true},
	{name: "default_transaction_deferrable", value: "off"},
	{name: "statement_timeout", value: "0"},
	{name: "lock_timeout", value: "0"},
	{name: "idle_in_transaction_session_timeout", value: abandonedMillis},
	{name: "idle_session_timeout", value: "0", since: 140000},
	{name: "transaction_timeout", value: "0", since: 170000},
}

// accepts reports whether a value will do.
func (s *setting) accepts(value string) bool {
	value = strings.ToLower(value)
	return value == strings.ToLower(s.value) || slices.Contains(s.also, value)
}

// contradiction refuses a URL that sets one of the settings to a value that will not do, as a
// parameter or in options.
func contradiction(query url.Values) error {
	given := map[string]string{}
	for name, values := range query {
		given[strings.ToLower(name)] = values[len(values)-1]
	}
	for _, word := range strings.Fields(strings.ReplaceAll(query.Get("options"), "-c ", "-c")) {
		word = strings.TrimPrefix(strings.TrimPrefix(word, "-c"), "--")
		if name, value, ok := strings.Cut(word, "="); ok {
			given[strings.ReplaceAll(strings.ToLower(name), "-", "_")] = value
		}
	}
	for i := range settings {
		s := &settings[i]
		if value, ok := given[s.name]; ok && !s.accepts(value) {
			return fmt.Errorf("the PostgreSQL URL sets %s to %q: leave it out, the gateway needs %q",
				s.name, value, s.value)
		}
	}
	return nil
}

// setSession adds the settings to what a connection says when it begins: those that a pooler
// restores, or with a server's version all of them.
func setSession(config *pgx.ConnConfig, version int, has map[string]string) {
	for i := range settings {
		s := &settings[i]
		if version < s.since || !s.lasting && version == 0 {
			continue
		}
		for name := range config.RuntimeParams {
			if strings.EqualFold(name, s.name) {
				delete(config.RuntimeParams, name)
			}
		}
		value := s.value
		if s.name == "synchronous_commit" && s.accepts(has[s.name]) {
			value = has[s.name]
		}
		config.RuntimeParams[s.name] = value
	}
}

// server is what a server says of itself when a gateway connects.
type server struct {
	version int
	pooled  bool              // a pooler is in between, which reports process numbers of its own
	has     map[string]string // settings as the server, the database and the role have them
}

// needed are the settings that examineServer reads besides those of the session.
var needed = []string{"server_encoding", "default_transaction_read_only", "fsync", "full_page_writes"}

// examineServer fails on a server that cannot be used.
func examineServer(ctx context.Context, conn *pgx.Conn) (s server, err error) {
	var pid int
	var standby bool
	const sql = "SELECT current_setting('server_version_num')::int, pg_is_in_recovery(), pg_backend_pid()"
	if err = conn.QueryRow(ctx, sql, pgx.QueryExecModeExec).Scan(&s.version, &standby, &pid); err != nil {
		return s, err
	}
	switch {
	case s.version < 130000:
		return s, fmt.Errorf("PostgreSQL %d is too old: 13 or newer is needed", s.version/10000)
	case standby:
		return s, fmt.Errorf("%w: name the primary, for example with target_session_attrs=read-write "+
			"and all hosts in the URL", errStandby)
	}
	s.pooled = pid != int(conn.PgConn().PID())
	if s.has, err = readSettings(ctx, conn); err != nil {
		return s, err
	}
	return s, s.usable()
}

func readSettings(ctx context.Context, conn *pgx.Conn) (map[string]string, error) {
	names := slices.Clone(needed)
	for i := range settings {
		names = append(names, settings[i].name)
	}
	const sql = "SELECT lower(n), coalesce(current_setting(n, true), '') FROM unnest($1::text[]) AS n"
	rows, err := conn.Query(ctx, sql, pgx.QueryExecModeExec, names)
	if err != nil {
		return nil, err
	}
	has := map[string]string{}
	var name, value string
	_, err = pgx.ForEachRow(rows, []any{&name, &value}, func() error {
		has[name] = value
		return nil
	})
	return has, err
}

// usable fails on settings that the gateway cannot set.
func (s server) usable() error {
	if encoding := s.has["server_encoding"]; encoding != "UTF8" {
		return fmt.Errorf("the database's encoding is %s: "+
			"make one with createdb --encoding=UTF8 --template=template0", encoding)
	}
	if s.has["default_transaction_read_only"] == "on" {
		return fmt.Errorf("default_transaction_read_only is on: " +
			"ALTER ROLE or ALTER DATABASE … SET default_transaction_read_only = off")
	}
	if !s.pooled {
		return nil
	}
	for i := range settings {
		if g := &settings[i]; g.must && !g.accepts(s.has[g.name]) {
			return fmt.Errorf("%s is %s, and the gateway cannot set it through a pooler: ALTER ROLE … SET %s = '%s'",
				g.name, s.has[g.name], g.name, g.value)
		}
	}
	return nil
}

// report names each setting that is not what the gateway relies on. The lasting ones are not seen:
// this connection has set them. A timeout of 0 is none.
func (s server) report(r *driverkit.Report) {
	for i := range settings {
		g := &settings[i]
		if g.lasting || s.version < g.since || g.accepts(s.has[g.name]) || s.has[g.name] == "0" {
			continue
		}
		if s.pooled {
			r.Warn(fmt.Sprintf("ALTER ROLE … SET %s = '%s'", g.name, g.value),
				"%s is %s, and the gateway cannot set it through a pooler", g.name, s.has[g.name])
			continue
		}
		r.OK("%s is %s for others; the gateway's own sessions set %s", g.name, s.has[g.name], g.value)
	}
	for _, name := range []string{"fsync", "full_page_writes"} {
		if s.has[name] == "off" {
			r.Warn("set it to on in postgresql.conf",
				"%s is off: a crash of the machine loses acknowledged writes", name)
		}
	}
}

// configure sets what the connections of a pool, and that of LISTEN, say when they begin.
func (b *Backend) configure(pooling *pgxpool.Config, s server) {
	b.pooled = s.pooled
	if s.pooled { // prepared statements do not last either
		pooling.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeExec
		b.options.Log.Info("there is a pooler between the gateway and PostgreSQL; statements are not prepared")
	} else {
		setSession(pooling.ConnConfig, s.version, s.has)
		setSession(b.direct, s.version, s.has)
	}
	var report driverkit.Report
	s.report(&report)
	for _, f := range report.Findings {
		b.options.Log.Info(f.What, "fix", cmp.Or(f.Fix, "none is needed"))
	}
}
