package postgres

import (
	"context"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/backends/driverkit"
)

// oldTransaction is the age from which a check reports an open transaction. Nobody sees its changes
// before it ends, and it keeps old rows from being removed.
const oldTransaction = 5 * time.Minute

// Check examines a database. It changes nothing in it, and makes nothing that does not exist.
// direct is as in [Options].
func Check(ctx context.Context, url, direct string) []backends.Finding {
	c := &check{}
	config, schema, err := parseURL(url)
	if err != nil {
		c.Fail("correct the URL", "%v", err)
		return c.Findings
	}
	conn, err := pgx.ConnectConfig(ctx, config.ConnConfig)
	if err != nil {
		c.Error(refused(err))
		return c.Findings
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	c.conn, c.b = conn, &Backend{schema: schema}
	for _, step := range []func(context.Context) error{c.server, c.clock, c.rights, c.transactions, c.tables} {
		if err := step(ctx); err != nil {
			c.Error(refused(err))
		}
	}
	if direct == "" {
		direct = url
	}
	c.listening(ctx, direct)
	return c.Findings
}

type check struct {
	driverkit.Report
	b    *Backend // of which only the schema's name is set
	conn *pgx.Conn
}

func (c *check) row(ctx context.Context, sql string, into ...any) error {
	return c.conn.QueryRow(ctx, c.b.sql(sql), pgx.QueryExecModeExec).Scan(into...)
}

func (c *check) server(ctx context.Context) error {
	found, err := examineServer(ctx, c.conn)
	if err != nil {
		return err
	}
	var version string
	if err := c.row(ctx, "SELECT version()", &version); err != nil {
		return err
	}
	short, _, _ := strings.Cut(version, " on ")
	c.OK("%s, a primary", short)
	if found.pooled {
		c.OK("a pooler stands between; statements are sent without preparing them")
	}
	found.report(&c.Report)
	return nil
}

func (c *check) clock(ctx context.Context) error {
	var now time.Time
	asked := time.Now()
	if err := c.row(ctx, "SELECT clock_timestamp()", &now); err != nil {
		return err
	}
	c.ServerClock(now, asked, "outside writes")
	return nil
}

// rightsOn are the rights on tables that serving needs.
var rightsOn = map[string]string{
	"app_data":           "SELECT,INSERT,UPDATE,DELETE",
	"app_data_changes":   "SELECT,INSERT,DELETE,TRUNCATE",
	"app_data_epoch":     "SELECT,INSERT,UPDATE",
	"app_data_meta":      "SELECT,UPDATE",
	"app_data_marks":     "SELECT,INSERT,DELETE",
	"app_data_mutations": "SELECT,INSERT,DELETE",
	"app_data_ledger":    "SELECT,INSERT,UPDATE,DELETE",
	"app_data_filters":   "SELECT,INSERT,DELETE",
}

// rights examines the rights on the schema, and on the tables if they exist.
func (c *check) rights(ctx context.Context) error {
	schema := "to_regnamespace('" + strings.ReplaceAll(c.b.schema, "'", "''") + "')::oid"
	var exist, create, use bool
	err := c.row(ctx, "SELECT to_regclass('@.app_data_meta') IS NOT NULL"+
		", coalesce(has_schema_privilege("+schema+", 'CREATE'), false)"+
		", coalesce(has_schema_privilege("+schema+", 'USAGE'), false)", &exist, &create, &use)
	switch {
	case err != nil:
		return err
	case !use:
		c.Fail("CREATE SCHEMA, and GRANT USAGE, CREATE on it to the role",
			"the schema %s is not there, or not this role's to use", c.b.schema)
		return nil
	case !exist && !create:
		c.Fail("GRANT CREATE on the schema to the role for the first start",
			"the tables are not there and this role may not make them")
		return nil
	case !exist:
		c.OK("this role may make the tables")
		return nil
	}
	var lacking []string
	for table, rights := range rightsOn {
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
		c.Fail("GRANT them, or let the role own the tables", "this role lacks %s", strings.Join(lacking, ", "))
		return nil
	}
	c.OK("this role has the rights that it needs")
	return nil
}

func (c *check) transactions(ctx context.Context) error {
	var seconds *float64
	var oldest *string
	const sql = `SELECT extract(epoch FROM max(now() - xact_start))::float8,
			(array_agg(coalesce(usename, '') || ' ' || application_name || ', pid ' || pid ORDER BY xact_start))[1]
		FROM pg_stat_activity WHERE backend_xid IS NOT NULL AND pid <> pg_backend_pid()`
	if err := c.row(ctx, sql, &seconds, &oldest); err != nil {
		return err
	}
	if seconds != nil && time.Duration(*seconds*float64(time.Second)) > oldTransaction {
		c.Warn("end it: nobody sees its changes before, and the log is not cleaned up behind it",
			"a transaction that writes has been open for %s: %s", time.Duration(*seconds)*time.Second, *oldest)
		return nil
	}
	c.OK("no writing transaction is older than %s", oldTransaction)
	return nil
}

// tables compares the tables with what the migrations make.
func (c *check) tables(ctx context.Context) error {
	version, err := c.b.schemaVersion(ctx, c.conn)
	steps, _ := fs.Glob(migrations, "migrations/*.sql") // they are embedded
	switch {
	case err != nil:
		return err
	case version == 0:
		c.Warn("nothing to do for a new database; check the URL and its schema if there should be data",
			"the tables are not there yet: serve makes them")
		return nil
	case version > len(steps):
		return newer(version, len(steps))
	case version < len(steps):
		c.Warn("make a backup first: serve brings it up to date", "schema version %d of %d", version, len(steps))
		return nil
	}
	c.OK("schema version %d, the newest that this secondgate knows", version)
	have, err := c.b.catalogue(ctx, c.conn)
	if err == nil {
		c.b.compare(&c.Report, have)
	}
	return err
}

// listening sends a notification to itself.
func (c *check) listening(ctx context.Context, direct string) {
	const fix = "serve works without, by polling, a little later; " +
		"name a connection past the pooler with --backend-direct"
	config, _, err := parseURL(direct)
	if err != nil {
		c.Fail("correct the URL", "of the direct connection: %v", err)
		return
	}
	conn, err := pgx.ConnectConfig(ctx, config.ConnConfig)
	if err != nil {
		c.Warn(fix, "the direct connection fails")
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
		c.Warn(fix, "a notification did not come back: LISTEN is not heard")
		return
	}
	c.OK("notifications are heard")
}
