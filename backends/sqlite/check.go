package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	sqlite3 "modernc.org/sqlite/lib"

	"github.com/secondgate/secondgate/backends"
)

const (
	// scarce and tooLittle are the free disk space below which a check warns and fails, in bytes: a commit that finds none
	// is refused, and the log beside the file may grow to 64 MiB and more while readers are busy.
	scarce    = 1 << 30
	tooLittle = 128 << 20
	// firstYear is older than this program: a clock before it is wrong.
	firstYear = 2025
)

// Check looks a database file over without changing what it holds, and makes nothing where there is none. It must run
// in a process that has not opened the file otherwise.
func Check(ctx context.Context, path string) []backends.Finding {
	c := &check{path: path}
	c.found(backends.LevelOK, "", "SQLite library %s", sqlite3.SQLITE_VERSION)
	c.clock()
	c.folder()
	if c.file() {
		c.content(ctx)
	}
	return c.findings
}

type check struct {
	path     string
	findings []backends.Finding
}

func (c *check) found(level, fix, what string, args ...any) {
	c.findings = append(c.findings, backends.Finding{Level: level, What: fmt.Sprintf(what, args...), Fix: fix})
}

func (c *check) clock() {
	if now := time.Now(); now.Year() < firstYear {
		c.found(backends.LevelFail, "set the clock: documents carry its time, and old changes are forgotten by it", "the clock says %s", now.Format(time.RFC3339))
		return
	}
	c.found(backends.LevelOK, "", "the clock says %s", time.Now().UTC().Format(time.RFC3339))
}

// folder looks at the directory, or, where that does not exist, at the one that it would be made in.
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
		c.found(backends.LevelFail, "name a file in a directory that this user may use", "the directory %s cannot be used: %v", dir, err)
		return
	}
	if err := writable(dir, true); err != nil {
		c.found(backends.LevelFail, "give this user write access: SQLite keeps its log beside the file", "the directory %s is not writable: %v", dir, err)
	} else {
		c.found(backends.LevelOK, "", "the directory %s is writable", dir)
	}
	c.space(dir)
}

func (c *check) space(dir string) {
	free, err := freeBytes(dir)
	switch text := fmt.Sprintf("%d MiB free on the disk of %s", free>>20, dir); {
	case err != nil:
		c.found(backends.LevelWarn, "look yourself", "the free space of %s is unknown: %v", dir, err)
	case free < tooLittle:
		c.found(backends.LevelFail, "free some space: writes are refused when there is none", "%s", text)
	case free < scarce:
		c.found(backends.LevelWarn, "free some space before writes are refused", "%s", text)
	default:
		c.found(backends.LevelOK, "", "%s", text)
	}
}

// file tells whether there is a file worth opening. SQLite would take one of a few bytes for an empty database.
func (c *check) file() bool {
	info, err := os.Stat(c.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		c.found(backends.LevelWarn, "nothing to do for a new one; check the path if there should be data", "there is no file %s yet: serve makes it", c.path)
		return false
	case err != nil:
		c.found(backends.LevelFail, "let this user reach the file", "the file cannot be reached: %v", err)
		return false
	case info.IsDir():
		c.found(backends.LevelFail, "name a file", "%s is a directory", c.path)
		return false
	case info.Size() > 0 && info.Size() < smallest:
		c.failed(notADatabase(c.path))
		return false
	}
	if err := writable(c.path, false); err != nil {
		c.found(backends.LevelFail, "give this user write access to the file", "%s is not writable: %v", c.path, err)
		return false
	}
	c.found(backends.LevelOK, "", "%s is writable, %d MiB", c.path, info.Size()>>20)
	return true
}

// failed tells an error of prepare, whose sentences end in what to do.
func (c *check) failed(err error) {
	what, fix, _ := strings.Cut(strings.TrimPrefix(err.Error(), c.path), ": ")
	if strings.HasPrefix(err.Error(), c.path) {
		what = c.path + what
	}
	c.found(backends.LevelFail, fix, "%s", what)
}

// content opens the file. busy_timeout is short: whoever holds the file for longer is a finding.
func (c *check) content(ctx context.Context) {
	db, err := connect(ctx, c.path, false, "busy_timeout(1000)")
	if err != nil {
		c.failed(refused(c.path, err))
		return
	}
	defer db.close()
	version := 0
	err = db.tx("BEGIN", func() (err error) {
		version, err = whose(ctx, db, c.path)
		return err
	})
	if err != nil {
		c.failed(err)
		return
	}
	if version == 0 {
		c.found(backends.LevelWarn, "nothing to do for a new one; check the path if there should be data", "%s is empty: serve fills it", c.path)
		return
	}
	for _, step := range []func(context.Context, *conn) error{c.schema, c.integrity, c.journal, c.marks, c.lock} {
		if err := step(ctx, db); err != nil {
			c.failed(refused(c.path, err))
		}
	}
}

// schema compares what the file has with what the migrations make, by the SQL that SQLite keeps of it.
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
		c.found(backends.LevelOK, "", "schema version %d, the newest that this secondgate knows", version)
	} else {
		c.found(backends.LevelWarn, "make a backup first: serve brings it up to date, and an older secondgate then refuses it", "schema version %d of %d", version, steps)
	}
	bad := 0
	for _, name := range slices.Sorted(keysOf(want)) {
		const fix = "restore a backup, or with all gateways stopped run its CREATE of backends/sqlite/migrations again; then have clients list again, because changes may be missing from the log"
		switch sql, present := have[name]; {
		case !present:
			bad++
			c.found(backends.LevelFail, fix, "the %s is missing", name)
		case sql != want[name]:
			bad++
			c.found(backends.LevelFail, fix, "the %s is not as secondgate made it", name)
		}
	}
	for _, name := range slices.Sorted(keysOf(have)) {
		if _, known := want[name]; !known && strings.HasPrefix(name, "trigger ") {
			c.found(backends.LevelWarn, "make sure that it writes nothing that clients must not see", "the %s is somebody else's", name)
		}
	}
	if bad == 0 {
		c.found(backends.LevelOK, "", "all tables, indexes and triggers are as secondgate made them")
	}
	return nil
}

func keysOf(m map[string]string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

// schemaOf is the SQL of everything in a database, by "type name".
func schemaOf(ctx context.Context, db *conn) (map[string]string, error) {
	all := map[string]string{}
	err := db.each(ctx, "SELECT type, name, sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite!_%' ESCAPE '!'", nil, func(row []driver.Value) error {
		var kind, name, sql string
		if err := scan(row, &kind, &name, &sql); err != nil {
			return err
		}
		all[kind+" "+name] = sql
		return nil
	})
	return all, err
}

// schemaOfVersion makes the schema in memory; steps is how many versions there are.
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
			c.found(backends.LevelFail, fix, "the file is damaged: %s", strings.ReplaceAll(text, "\n", "; "))
		}
		return nil
	})
	if err == nil && whole {
		c.found(backends.LevelOK, "", "PRAGMA quick_check finds no damage")
	}
	return err
}

func (c *check) journal(ctx context.Context, db *conn) error {
	var mode string
	if _, err := db.one(ctx, "PRAGMA journal_mode", nil, &mode); err != nil {
		return err
	}
	if mode != "wal" {
		c.found(backends.LevelWarn, "serve switches it to wal; if that fails, the file is on a network disk: move it to a local one", "journal mode %s", mode)
		return nil
	}
	c.found(backends.LevelOK, "", "journal mode wal")
	return nil
}

// marks compares the clock with the times that the log has noted, about one a minute.
func (c *check) marks(ctx context.Context, db *conn) error {
	var last int64
	if _, err := db.one(ctx, "SELECT max(at) FROM app_data_marks", nil, &last); err != nil {
		return err
	}
	if ahead := time.Until(time.UnixMilli(last)); ahead > tick {
		c.found(backends.LevelWarn, "set the clock; if it was wrong in the past, changes from then are kept for longer", "the log was last marked %s after now", ahead.Round(time.Second))
	}
	return nil
}

// lock asks for the write lock and gives it back, without waiting.
func (c *check) lock(ctx context.Context, db *conn) error {
	if _, err := db.exec(ctx, "PRAGMA busy_timeout = 0"); err != nil {
		return err
	}
	_, err := db.exec(ctx, "BEGIN IMMEDIATE")
	if code(err) == sqlite3.SQLITE_BUSY {
		c.found(backends.LevelWarn, "a gateway at work holds it for moments; if it stays, end the program that has a transaction open", "another program holds the write lock right now")
		return nil
	}
	if err == nil {
		db.rollback()
		c.found(backends.LevelOK, "", "nobody holds the write lock")
	}
	return err
}
