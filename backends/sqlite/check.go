package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	sqlite3 "modernc.org/sqlite/lib"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/backends/driverkit"
)

const (
	// A check warns below lowSpace and fails below minSpace, in bytes of free disk space. A commit
	// that finds no space is refused. The log beside the file may exceed 64 MiB while readers are
	// busy.
	lowSpace = 1 << 30
	minSpace = 128 << 20
	// firstYear is before this program existed: a clock that is before it is wrong.
	firstYear = 2025
)

// Check examines a database file. It changes nothing in the file, and does not make a file that
// does not exist. It must run in a process that has not opened the file otherwise.
func Check(ctx context.Context, path string) []backends.Finding {
	c := &check{path: path}
	c.OK("SQLite library %s", sqlite3.SQLITE_VERSION)
	c.clock()
	c.folder()
	if c.file() {
		c.content(ctx)
	}
	return c.Findings
}

type check struct {
	driverkit.Report
	path string
}

func (c *check) clock() {
	now := time.Now().UTC()
	if now.Year() < firstYear {
		c.Fail("set the clock: documents carry its time, and old changes are removed by it",
			"the clock says %s", now.Format(time.RFC3339))
		return
	}
	c.OK("the clock says %s", now.Format(time.RFC3339))
}

// folder examines the file's directory. If that does not exist, it examines the one in which it
// would be made.
func (c *check) folder() {
	dir, err := filepath.Abs(filepath.Dir(c.path))
	for err == nil {
		var info os.FileInfo
		if info, err = os.Stat(dir); err == nil && !info.IsDir() {
			err = errors.New("it is no directory")
		}
		if !errors.Is(err, fs.ErrNotExist) || dir == filepath.Dir(dir) {
			break
		}
		dir, err = filepath.Dir(dir), nil
	}
	if err != nil {
		c.Fail("name a file in a directory that this user may use", "the directory %s cannot be used: %v", dir, err)
		return
	}
	if err := writable(dir, true); err != nil {
		c.Fail("give this user write access: SQLite keeps its log beside the file",
			"the directory %s is not writable: %v", dir, err)
	} else {
		c.OK("the directory %s is writable", dir)
	}
	c.space(dir)
}

func (c *check) space(dir string) {
	free, err := freeBytes(dir)
	switch text := fmt.Sprintf("%d MiB free on the disk of %s", free>>20, dir); {
	case err != nil:
		c.Warn("find out yourself", "the free space of %s is unknown: %v", dir, err)
	case free < minSpace:
		c.Fail("free some space: writes are refused when there is none", "%s", text)
	case free < lowSpace:
		c.Warn("free some space before writes are refused", "%s", text)
	default:
		c.OK("%s", text)
	}
}

// file reports whether there is a file to open. SQLite would take one of a few bytes for an empty
// database.
func (c *check) file() bool {
	info, err := os.Stat(c.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		c.Warn("nothing to do for a new one; check the path if there should be data",
			"there is no file %s yet: serve makes it", c.path)
		return false
	case err != nil:
		c.Fail("let this user reach the file", "the file cannot be reached: %v", err)
		return false
	case info.IsDir():
		c.Fail("name a file", "%s is a directory", c.path)
		return false
	case info.Size() > 0 && info.Size() < smallest:
		c.failed(notADatabase(c.path))
		return false
	}
	if err := writable(c.path, false); err != nil {
		c.Fail("give this user write access to the file", "%s is not writable: %v", c.path, err)
		return false
	}
	c.OK("%s is writable, %d MiB", c.path, info.Size()>>20)
	return true
}

// failed reports an error of refused. The path in it may contain the colon that precedes what to
// do.
func (c *check) failed(err error) {
	text, ours := strings.CutPrefix(err.Error(), c.path)
	what, fix, _ := strings.Cut(text, ": ")
	if ours {
		what = c.path + what
	}
	c.Fail(fix, "%s", what)
}

// content opens the file. Its busy_timeout is short: a program that holds the file longer is a
// finding.
func (c *check) content(ctx context.Context) {
	db, err := connect(ctx, c.path, false, "busy_timeout(1000)")
	if err != nil {
		c.failed(refused(c.path, err))
		return
	}
	defer db.close()
	version := 0
	err = db.tx("BEGIN", func() (err error) {
		version, err = schemaVersion(ctx, db, c.path)
		return err
	})
	if err != nil {
		c.failed(err)
		return
	}
	if version == 0 {
		c.Warn("nothing to do for a new one; check the path if there should be data",
			"%s is empty: serve fills it", c.path)
		return
	}
	steps := []func(context.Context, *conn) error{c.schema, c.integrity, c.journal, c.marks, c.lock}
	for _, step := range steps {
		if err := step(ctx, db); err != nil {
			c.failed(refused(c.path, err))
		}
	}
}

// schema compares the SQL that SQLite keeps of the file's schema with that of the migrations.
func (c *check) schema(ctx context.Context, db *conn) error {
	have, err := schemaOf(ctx, db)
	if err != nil {
		return err
	}
	version := int64(0)
	if _, err := db.one(ctx, "PRAGMA user_version", nil, &version); err != nil {
		return err
	}
	want, steps, err := schemaOfVersion(ctx, int(version))
	if err != nil {
		return err
	}
	if version == int64(steps) {
		c.OK("schema version %d, the newest that this secondgate knows", version)
	} else {
		c.Warn("make a backup first: serve brings it up to date, and an older secondgate then refuses it",
			"schema version %d of %d", version, steps)
	}
	c.compare(have, want)
	return nil
}

// compare reports what differs between two schemas, by "type name".
func (c *check) compare(have, want map[string]string) {
	const fix = "restore a backup, or with all gateways stopped run its CREATE of " +
		"backends/sqlite/migrations again; " +
		"then have clients list again, because changes may be missing from the log"
	same := true
	for _, name := range slices.Sorted(maps.Keys(want)) {
		switch sql, present := have[name]; {
		case !present:
			same = false
			c.Fail(fix, "the %s is missing", name)
		case sql != want[name]:
			same = false
			c.Fail(fix, "the %s is not as secondgate made it", name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(have)) {
		if _, known := want[name]; !known && strings.HasPrefix(name, "trigger ") {
			c.Warn("make sure that it writes nothing that clients must not see", "the %s is somebody else's", name)
		}
	}
	if same {
		c.OK("all tables, indexes and triggers are as secondgate made them")
	}
}

// schemaOf is the SQL of everything in a database, by "type name".
func schemaOf(ctx context.Context, db *conn) (map[string]string, error) {
	all := map[string]string{}
	const query = `SELECT type, name, sql FROM sqlite_master
		WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite!_%' ESCAPE '!'`
	err := db.each(ctx, query, nil, func(row []driver.Value) error {
		var kind, name, sql string
		if err := scan(row, &kind, &name, &sql); err != nil {
			return err
		}
		all[kind+" "+name] = sql
		return nil
	})
	return all, err
}

// schemaOfVersion makes a schema in memory. steps is the number of versions that exist.
func schemaOfVersion(ctx context.Context, version int) (schema map[string]string, steps int, err error) {
	names, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil {
		return nil, 0, err
	}
	db, err := dial(":memory:", true, nil)
	if err != nil {
		return nil, 0, err
	}
	defer db.close()
	for _, name := range names[:version] {
		sql, err := migrations.ReadFile(name)
		if err == nil {
			err = db.script(string(sql))
		}
		if err != nil {
			return nil, 0, fmt.Errorf("%s: %w", name, err)
		}
	}
	schema, err = schemaOf(ctx, db)
	return schema, len(names), err
}

func (c *check) integrity(ctx context.Context, db *conn) error {
	const fix = "stop the gateway, restore a backup, or save what can be with the .recover command of sqlite3"
	whole := true
	err := db.each(ctx, "PRAGMA quick_check(5)", nil, func(row []driver.Value) error {
		var text string
		if err := scan(row, &text); err != nil {
			return err
		}
		if text != "ok" {
			whole = false
			c.Fail(fix, "the file is damaged: %s", strings.ReplaceAll(text, "\n", "; "))
		}
		return nil
	})
	if err == nil && whole {
		c.OK("PRAGMA quick_check finds no damage")
	}
	return err
}

func (c *check) journal(ctx context.Context, db *conn) error {
	var mode string
	if _, err := db.one(ctx, "PRAGMA journal_mode", nil, &mode); err != nil {
		return err
	}
	if mode != "wal" {
		c.Warn("serve switches it to wal; if that fails, the file is on a network disk: move it to a local one",
			"journal mode %s", mode)
		return nil
	}
	c.OK("journal mode wal")
	return nil
}

// marks compares the clock with the times that maintenance notes in the log each minute.
func (c *check) marks(ctx context.Context, db *conn) error {
	var last int64
	if _, err := db.one(ctx, "SELECT max(at) FROM app_data_marks", nil, &last); err != nil {
		return err
	}
	if ahead := time.Until(time.UnixMilli(last)); ahead > driverkit.MaintenanceInterval {
		c.Warn("set the clock; if it was wrong in the past, changes from then are kept for longer",
			"the log was last marked %s after now", ahead.Round(time.Second))
	}
	return nil
}

// lock takes the write lock and releases it. It does not wait for the lock.
func (c *check) lock(ctx context.Context, db *conn) error {
	if _, err := db.exec(ctx, "PRAGMA busy_timeout = 0"); err != nil {
		return err
	}
	_, err := db.exec(ctx, "BEGIN IMMEDIATE")
	if code(err) == sqlite3.SQLITE_BUSY {
		c.Warn("a gateway at work holds it for moments; if it stays, end the program that has a transaction open",
			"another program holds the write lock right now")
		return nil
	}
	if err == nil {
		db.rollback()
		c.OK("nobody holds the write lock")
	}
	return err
}
