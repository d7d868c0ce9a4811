package postgres

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/secondgate/secondgate/backends"
)

// oldTransaction is for how long one may be open before its changes, which nobody sees before it ends, and the rows that
// it keeps from being cleaned up, are worth a word.
const oldTransaction = 5 * time.Minute

// maxSkew is how far the server's clock may be from ours.
const maxSkew = 5 * time.Second

// Check looks a database over without changing what it holds, and makes nothing where there is none. direct is as in
// [Options].
func Check(ctx context.Context, url, direct string) []backends.Finding {
	c := &check{}
	config, schema, err := parseURL(url)
	if err != nil {
		c.found(backends.LevelFail, "correct the URL", "%v", err)
		return c.findings
	}
	conn, err := pgx.ConnectConfig(ctx, config.ConnConfig)
	if err != nil {
		c.failed(err)
		return c.findings
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	c.conn, c.b = conn, &Backend{schema: schema}
	for _, step := range []func(context.Context) error{c.server, c.clock, c.rights, c.transactions, c.tables} {
		if err := step(ctx); err != nil {
			c.failed(err)
		}
	}
	if direct == "" {
		direct = url
	}
	c.listening(ctx, direct)
	return c.findings
}

type check struct {
	b        *Backend // its schema's name alone
	conn     *pgx.Conn
	findings []backends.Finding
}

func (c *check) found(level, fix, what string, args ...any) {
	c.findings = append(c.findings, backends.Finding{Level: level, What: fmt.Sprintf(what, args...), Fix: fix})
}

func (c *check) failed(err error) {
	what, fix, _ := strings.Cut(refused(err).Error(), ": ")
	c.found(backends.LevelFail, fix, "%s", what)
}

func (c *check) row(ctx context.Context, sql string, into ...any) error {
	return c.conn.QueryRow(ctx, c.b.sql(sql), pgx.QueryExecModeExec).Scan(into...)
}

func (c *check) server(ctx context.Context) error {
	pooled, err := c.b.lookAt(ctx, c.conn)
	if err != nil {
		return err
	}
	var version string
	if err := c.row(ctx, "SELECT version()", &version); err != nil {
		return err
	}
	short, _, _ := strings.Cut(version, " on ")
	c.found(backends.LevelOK, "", "%s, a primary", short)
	if pooled {
		c.found(backends.LevelOK, "", "a pooler stands between; statements are sent without preparing them")
	}
	return nil
}

func (c *check) clock(ctx context.Context) error {
	var now time.Time
	asked := time.Now()
	if err := c.row(ctx, "SELECT clock_timestamp()", &now); err != nil {
		return err
	}
	if skew := now.Sub(asked).Abs(); skew > maxSkew {
		c.found(backends.LevelWarn, "set both clocks by NTP: documents carry the gateway's time, outside writes the server's", "the server's clock is %s off", skew.Round(time.Millisecond))
		return nil
	}
	c.found(backends.LevelOK, "", "the server's clock agrees")
	return nil
}

// rights are those that serving needs: all where the tables are still to be made, else those on the tables.
func (c *check) rights(ctx context.Context) error {
	var there, create, use bool
	err := c.row(ctx, "SELECT to_regclass('@.app_data_meta') IS NOT NULL, coalesce(has_schema_privilege(to_regnamespace('"+strings.ReplaceAll(c.b.schema, "'", "''")+
		"')::oid, 'CREATE'), false), coalesce(has_schema_privilege(to_regnamespace('"+strings.ReplaceAll(c.b.schema, "'", "''")+"')::oid, 'USAGE'), false)", &there, &create, &use)
	switch {
	case err != nil:
		return err
	case !use:
		c.found(backends.LevelFail, "CREATE SCHEMA, and GRANT USAGE, CREATE on it to the role", "the schema %s is not there, or not this role's to use", c.b.schema)
		return nil
	case !there && !create:
		c.found(backends.LevelFail, "GRANT CREATE on the schema to the role for the first start", "the tables are not there and this role may not make them")
		return nil
	case !there:
		c.found(backends.LevelOK, "", "this role may make the tables")
		return nil
	}
	var lacking []string
	for table, rights := range map[string]string{
		"app_data": "SELECT,INSERT,UPDATE,DELETE", "app_data_changes": "SELECT,INSERT,DELETE,TRUNCATE", "app_data_epoch": "SELECT,INSERT,UPDATE",
		"app_data_meta": "SELECT,UPDATE", "app_data_marks": "SELECT,INSERT,DELETE", "app_data_mutations": "SELECT,INSERT,DELETE", "app_data_ledger": "SELECT,INSERT,UPDATE,DELETE", "app_data_filters": "SELECT,INSERT",
	} {
		for right := range strings.SplitSeq(rights, ",") {
			var has bool
			if err := c.row(ctx, "SELECT has_table_privilege('@."+table+"', '"+right+"')", &has); err != nil {
				return err
			}
			if !has {
				lacking = append(lacking, right+" on "+table)
			}
		}
	}
	if len(lacking) > 0 {
		slices.Sort(lacking)
		c.found(backends.LevelFail, "GRANT them, or let the role own the tables", "this role lacks %s", strings.Join(lacking, ", "))
		return nil
	}
	c.found(backends.LevelOK, "", "this role has the rights that it needs")
	return nil
}

func (c *check) transactions(ctx context.Context) error {
	var oldest *float64
	var who *string
	const sql = `SELECT extract(epoch FROM max(now() - xact_start))::float8, (array_agg(coalesce(usename, '') || ' ' || application_name || ', pid ' || pid ORDER BY xact_start))[1]
		FROM pg_stat_activity WHERE backend_xid IS NOT NULL AND pid <> pg_backend_pid()`
	if err := c.row(ctx, sql, &oldest, &who); err != nil {
		return err
	}
	if oldest != nil && time.Duration(*oldest*float64(time.Second)) > oldTransaction {
		c.found(backends.LevelWarn, "end it: its changes reach nobody before, and the log is not cleaned up behind it", "a transaction that writes has been open for %s: %s", (time.Duration(*oldest) * time.Second).String(), *who)
		return nil
	}
	c.found(backends.LevelOK, "", "no writing transaction is older than %s", oldTransaction)
	return nil
}

// tables compares what is there with what the migrations make.
func (c *check) tables(ctx context.Context) error {
	version, err := c.b.version(ctx, c.conn)
	steps, _ := fs.Glob(migrations, "migrations/*.sql") // embedded
	switch {
	case err != nil:
		return err
	case version == 0:
		c.found(backends.LevelWarn, "nothing to do for a new database; check the URL and its schema if there should be data", "the tables are not there yet: serve makes them")
		return nil
	case version > len(steps):
		return newer(version, len(steps))
	case version < len(steps):
		c.found(backends.LevelWarn, "make a backup first: serve brings it up to date", "schema version %d of %d", version, len(steps))
		return nil
	}
	c.found(backends.LevelOK, "", "schema version %d, the newest that this secondgate knows", version)
	bad, err := c.triggers(ctx)
	if err != nil {
		return err
	}
	cached, err := c.cached(ctx)
	if err == nil && !bad && !cached {
		c.found(backends.LevelOK, "", "all triggers are as secondgate made them, and enabled always")
	}
	return err
}

// The triggers by their pg_trigger.tgtype: ROW 1, BEFORE 2, INSERT 4, DELETE 8, UPDATE 16, TRUNCATE 32.
var triggers = map[string]int{"app_data_changed": 1 + 4 + 8 + 16, "app_data_truncated": 32, "app_data_stamped": 1 + 2 + 16}

var functionBody = regexp.MustCompile(`(?s)CREATE FUNCTION @\.(\w+)\(\).*?\$body\$(.*?)\$body\$`)

func (c *check) triggers(ctx context.Context) (bad bool, err error) {
	bodies := map[string]string{}
	text, _ := migrations.ReadFile("migrations/0001_documents.sql") // embedded
	for _, m := range functionBody.FindAllStringSubmatch(string(text), -1) {
		bodies[m[1]] = c.b.sql(m[2])
	}
	const fix = "restore it from backends/postgres/migrations; then have clients list again, because changes may be missing from the log"
	for _, name := range slices.Sorted(keysOf(triggers)) {
		var kind int
		var enabled, body string
		err := c.row(ctx, "SELECT t.tgtype, t.tgenabled::text, p.prosrc FROM pg_trigger AS t JOIN pg_proc AS p ON p.oid = t.tgfoid WHERE t.tgrelid = '@.app_data'::regclass AND t.tgname = '"+name+"'", &kind, &enabled, &body)
		switch {
		case errors.Is(err, pgx.ErrNoRows):
			c.found(backends.LevelFail, fix, "the trigger %s is missing", name)
		case err != nil:
			return true, err
		case kind != triggers[name] || body != bodies[name]:
			c.found(backends.LevelFail, fix, "the trigger %s is not as secondgate made it", name)
		case enabled != "A":
			c.found(backends.LevelFail, "ALTER TABLE app_data ENABLE ALWAYS TRIGGER "+name+"; then have clients list again", "the trigger %s is not enabled always", name)
		default:
			continue
		}
		bad = true
	}
	return bad, nil
}

// cached: a sequence that hands out numbers in advance breaks the order of one document's changes.
func (c *check) cached(ctx context.Context) (bad bool, err error) {
	var cache int64
	err = c.row(ctx, "SELECT s.seqcache FROM pg_sequence AS s WHERE s.seqrelid = pg_get_serial_sequence('@.app_data_changes', 'seq')::regclass", &cache)
	if err == nil && cache != 1 {
		c.found(backends.LevelFail, "ALTER TABLE app_data_changes ALTER seq SET CACHE 1; then have clients list again", "the log's sequence has CACHE %d", cache)
		return true, nil
	}
	return false, err
}

func keysOf[V any](m map[string]V) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

// listening sends a notification to itself.
func (c *check) listening(ctx context.Context, direct string) {
	const fix = "serve works without, by polling, a little later; name a connection past the pooler with --backend-direct"
	config, _, err := parseURL(direct)
	if err != nil {
		c.found(backends.LevelFail, "correct the URL", "of the direct connection: %v", err)
		return
	}
	conn, err := pgx.ConnectConfig(ctx, config.ConnConfig)
	if err != nil {
		c.found(backends.LevelWarn, fix, "the direct connection fails")
		return
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	ctx, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	if _, err = conn.Exec(ctx, "LISTEN secondgate_check", pgx.QueryExecModeSimpleProtocol); err == nil {
		if _, err = c.conn.Exec(ctx, "NOTIFY secondgate_check", pgx.QueryExecModeSimpleProtocol); err == nil {
			_, err = conn.WaitForNotification(ctx)
		}
	}
	if err != nil {
		c.found(backends.LevelWarn, fix, "a notification did not come back: LISTEN is not heard")
		return
	}
	c.found(backends.LevelOK, "", "notifications are heard")
}
