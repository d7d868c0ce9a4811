package postgres

import (
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/secondgate/secondgate/backends/driverkit"
)

// tableColumns are the columns of the tables that the gateway uses: type, collation, and ! for NOT NULL.
var tableColumns = map[string]map[string]string{
	"app_data": {
		"workspace_id": "text C !", "app_id": "text C !", "collection": "text C !", "id": "text C !",
		"data": "jsonb !", "created_at": "timestamp(3) with time zone !",
		"updated_at": "timestamp(3) with time zone !",
	},
	"app_data_changes": {
		"seq": "bigint !", "xid": "xid8 !", "workspace_id": "text C !", "app_id": "text C !",
		"collection": "text C !", "id": "text C !", "op": "text C !", "actor": "text C",
	},
	"app_data_epoch": {"one": "boolean !", "token": "uuid !", "system": "text !", "log": "oid !"},
	"app_data_meta":  {"one": "boolean !", "version": "integer !", "floor": "pg_snapshot !"},
	"app_data_marks": {"at": "timestamp with time zone !", "snapshot": "pg_snapshot !"},
	"app_data_mutations": {
		"key": "bytea !", "at": "timestamp with time zone !", "digest": "bytea !", "result": "bytea !",
	},
	"app_data_filters": {
		"workspace_id": "text C !", "app_id": "text C !", "collection": "text C !", "fields": "text C !",
		"at": "timestamp with time zone !",
	},
	"app_data_ledger": {
		"kind": "text C !", "key": "text C !", "body": "bytea !", "at": "timestamp with time zone",
		"expires": "timestamp with time zone",
	},
}

// tableKeys are the unique indexes without which a write could be stored twice.
var tableKeys = map[string]string{
	"app_data":           "workspace_id, app_id, collection, id",
	"app_data_epoch":     "one",
	"app_data_meta":      "one",
	"app_data_mutations": "key",
	"app_data_filters":   "workspace_id, app_id, collection, fields",
	"app_data_ledger":    "kind, key",
}

// speedIndexes are the indexes without which the gateway is slow, by name.
var speedIndexes = map[string]string{
	"app_data_by_time": "app_data", "app_data_by_value": "app_data",
	"app_data_changes_by_xid": "app_data_changes", "app_data_changes_by_scope": "app_data_changes",
	"app_data_mutations_by_time": "app_data_mutations", "app_data_ledger_by_expiry": "app_data_ledger",
}

// triggers are those of app_data by their pg_trigger.tgtype: ROW 1, BEFORE 2, INSERT 4, DELETE 8,
// UPDATE 16, TRUNCATE 32.
var triggers = map[string]int{
	"app_data_changed": 1 + 4 + 8 + 16, "app_data_truncated": 32, "app_data_stamped": 1 + 2 + 16,
}

var functionBody = regexp.MustCompile(`(?s)CREATE FUNCTION @\.(\w+)\(.*?\).*?\$body\$(.*?)\$body\$`)

// functionBodies are the functions that the triggers run, by name, with @ for the schema.
var functionBodies = func() map[string]string {
	all := map[string]string{}
	text, _ := migrations.ReadFile("migrations/0001_documents.sql") // it is embedded
	for _, m := range functionBody.FindAllStringSubmatch(string(text), -1) {
		all[m[1]] = m[2]
	}
	return all
}()

// catalogueSQL reads all that compare looks at, in one snapshot. It takes no lock of the tables.
// A function counts only where a trigger or the log's function of this schema is meant.
const catalogueSQL = `WITH ours AS (
	SELECT c.oid, c.relname::text AS name, c.relkind, c.relrowsecurity FROM pg_class AS c
	JOIN pg_namespace AS s ON s.oid = c.relnamespace
	WHERE '"' || replace(s.nspname, '"', '""') || '"' = $1 AND c.relname = ANY($2::text[])
)
SELECT 'table ' || name,
	CASE WHEN relkind <> 'r' THEN 'no table' WHEN relrowsecurity THEN 'row security' ELSE '' END FROM ours
UNION ALL SELECT 'column ' || o.name || '.' || a.attname, format_type(a.atttypid, a.atttypmod)
		|| CASE l.collname WHEN 'C' THEN ' C' ELSE '' END || CASE WHEN a.attnotnull THEN ' !' ELSE '' END
	FROM ours AS o JOIN pg_attribute AS a ON a.attrelid = o.oid AND a.attnum > 0 AND NOT a.attisdropped
	LEFT JOIN pg_collation AS l ON l.oid = a.attcollation
UNION ALL SELECT 'key ' || o.name || ' ' || k.columns, '' FROM ours AS o
	JOIN pg_index AS i ON i.indrelid = o.oid
	CROSS JOIN LATERAL (SELECT string_agg(a.attname, ', ' ORDER BY n.n) AS columns
		FROM unnest(i.indkey::int2[]) WITH ORDINALITY AS n (attnum, n)
		JOIN pg_attribute AS a ON a.attrelid = o.oid AND a.attnum = n.attnum
		WHERE n.n <= i.indnkeyatts) AS k
	WHERE i.indisunique AND i.indimmediate AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL
UNION ALL SELECT 'index ' || c.relname, '' FROM ours AS o JOIN pg_index AS i ON i.indrelid = o.oid
	JOIN pg_class AS c ON c.oid = i.indexrelid WHERE i.indisvalid
UNION ALL SELECT 'trigger ' || t.tgname, t.tgenabled::text || ' ' || t.tgtype || ' ' || p.prosrc
	FROM ours AS o JOIN pg_trigger AS t ON t.tgrelid = o.oid JOIN pg_proc AS p ON p.oid = t.tgfoid
	WHERE o.name = 'app_data' AND NOT t.tgisinternal
UNION ALL SELECT 'function ' || p.proname, p.prosrc
	FROM pg_proc AS p JOIN pg_namespace AS s ON s.oid = p.pronamespace
	WHERE '"' || replace(s.nspname, '"', '""') || '"' = $1 AND p.proname = 'app_data_log'
UNION ALL SELECT 'cache', q.seqcache::text FROM ours AS o
	JOIN pg_depend AS d ON d.refobjid = o.oid AND d.refclassid = 'pg_class'::regclass AND d.deptype = 'i'
	JOIN pg_sequence AS q ON q.seqrelid = d.objid WHERE o.name = 'app_data_changes'`

// catalogue is what the server says of the tables, by "kind name".
func (b *Backend) catalogue(ctx context.Context, q querier) (map[string]string, error) {
	names := slices.Collect(maps.Keys(tableColumns))
	rows, err := q.Query(ctx, catalogueSQL, pgx.QueryExecModeExec, b.schema, names)
	if err != nil {
		return nil, err
	}
	have := map[string]string{}
	var name, value string
	_, err = pgx.ForEachRow(rows, []any{&name, &value}, func() error {
		have[name] = value
		return nil
	})
	return have, err
}

const (
	fixTable = "restore a backup; a gateway then has clients list again"
	fixAgain = "restore it from backends/postgres/migrations; " +
		"a gateway then has clients list again, because changes may be missing from the log"
)

// compare reports what differs between the tables and what the migrations make.
func (b *Backend) compare(r *driverkit.Report, have map[string]string) {
	failed := len(r.Findings)
	for _, table := range slices.Sorted(maps.Keys(tableColumns)) {
		b.compareTable(r, have, table)
	}
	if len(r.Findings) == failed {
		b.compareTriggers(r, have)
	}
	switch cache, exists := have["cache"]; {
	case len(r.Findings) != failed:
	case !exists:
		r.Fail(fixTable, "the column seq of app_data_changes has no sequence of its own")
	case cache != "1":
		r.Fail("ALTER TABLE app_data_changes ALTER seq SET CACHE 1; a gateway then has clients list again",
			"the log's sequence has CACHE %s", cache)
	}
	if len(r.Findings) == failed {
		r.OK("all triggers are as secondgate made them, and enabled always")
	}
	for _, name := range slices.Sorted(maps.Keys(speedIndexes)) {
		if _, exists := have["index "+name]; !exists {
			r.Warn("restore it from backends/postgres/migrations: without it the gateway is slow",
				"the index %s of %s is missing or not valid", name, speedIndexes[name])
		}
	}
}

func (b *Backend) compareTable(r *driverkit.Report, have map[string]string, table string) {
	switch what, exists := have["table "+table]; {
	case !exists:
		r.Fail("give it back its name, or "+fixTable, "the table %s is missing", table)
		return
	case what == "row security":
		r.Fail("ALTER TABLE "+table+" DISABLE ROW LEVEL SECURITY", "row security hides rows of %s", table)
	case what != "":
		r.Fail(fixTable, "%s is %s", table, what)
		return
	}
	for _, column := range slices.Sorted(maps.Keys(tableColumns[table])) {
		want := tableColumns[table][column]
		switch is, exists := have["column "+table+"."+column]; {
		case !exists:
			r.Fail("give it back its name, or "+fixTable, "the column %s of %s is missing", column, table)
		case is != want:
			r.Fail("make it "+want+" (! is NOT NULL, C the collation)", "the column %s of %s is %s", column, table, is)
		}
	}
	if key := tableKeys[table]; key != "" {
		if _, exists := have["key "+table+" "+key]; !exists {
			r.Fail("ALTER TABLE "+table+" ADD PRIMARY KEY ("+key+")",
				"the table %s has no unique index (%s)", table, key)
		}
	}
}

func (b *Backend) compareTriggers(r *driverkit.Report, have map[string]string) {
	for _, name := range slices.Sorted(maps.Keys(triggers)) {
		trigger, exists := have["trigger "+name]
		enabled, rest, _ := strings.Cut(trigger, " ")
		switch {
		case !exists:
			r.Fail(fixAgain, "the trigger %s is missing", name)
		case rest != fmt.Sprintf("%d %s", triggers[name], b.sql(functionBodies[name])):
			r.Fail(fixAgain, "the trigger %s is not as secondgate made it", name)
		case enabled != "A":
			r.Fail("ALTER TABLE app_data ENABLE ALWAYS TRIGGER "+name+"; a gateway then has clients list again",
				"the trigger %s is not enabled always", name)
		}
	}
	if have["function app_data_log"] != b.sql(functionBodies["app_data_log"]) {
		r.Fail(fixAgain, "the function app_data_log is missing or not as secondgate made it")
	}
}
