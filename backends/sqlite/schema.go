package sqlite

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	sqlite3 "modernc.org/sqlite/lib"
)

// application is the file's application_id, "2ndg". It tells our files from those of other
// programs.
const application = 0x326e6467

// smallest is the size in bytes of the smallest SQLite database: one page.
const smallest = 512

// errNoLog means that the file has our application_id but lacks our tables.
var errNoLog = errors.New("it lacks tables or rows that secondgate keeps in it")

//go:embed migrations/*.sql
var migrations embed.FS

// prepare makes the file and its directory if they do not exist, and brings the schema up to date.
// It writes nothing to a file that it refuses, not even the journal mode.
func prepare(ctx context.Context, path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("cannot make the directory of the database %s: %w", path, err)
	}
	switch info, err := os.Stat(path); {
	case err == nil && info.IsDir():
		return fmt.Errorf("%s is a directory: name a file", path)
	case err == nil && info.Size() > 0 && info.Size() < smallest:
		return notADatabase(path) // SQLite would take it for an empty database and overwrite it
	}
	c, err := connect(ctx, path, true, "busy_timeout(10000)")
	if err != nil {
		return refused(path, err)
	}
	defer c.close()
	var version int
	err = c.tx("BEGIN", func() (err error) {
		version, err = schemaVersion(ctx, c, path)
		return err
	})
	if err != nil {
		return err
	}
	steps, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil || version == len(steps) {
		return err
	}
	return refused(path, migrate(ctx, c, path, steps))
}

// schemaVersion is the version of the file's schema, 0 for an empty file. It fails if the file
// belongs to another program or to a newer version. The caller has a transaction open, so a
// migration by another gateway is seen as a whole or not at all.
func schemaVersion(ctx context.Context, c *conn, path string) (int, error) {
	var id, version, tables int64
	_, err := c.one(ctx, "PRAGMA application_id", nil, &id)
	if err == nil {
		_, err = c.one(ctx, "PRAGMA user_version", nil, &version)
	}
	if err == nil {
		_, err = c.one(ctx, "SELECT count(*) FROM sqlite_master", nil, &tables)
	}
	steps, globErr := fs.Glob(migrations, "migrations/*.sql")
	switch {
	case err != nil:
		return 0, refused(path, err)
	case globErr != nil:
		return 0, globErr
	case id == 0 && version == 0 && tables == 0:
		return 0, nil
	case id != application:
		return 0, fmt.Errorf("%s is the SQLite database of another program: name another file", path)
	case version > int64(len(steps)):
		return 0, fmt.Errorf("%s was written by a newer secondgate (schema %d, this one knows %d): "+
			"upgrade secondgate", path, version, len(steps))
	case version < 1 || tables == 0:
		return 0, refused(path, errNoLog)
	}
	return int(version), nil
}

// migrate runs the steps that the file lacks, in one transaction. Another gateway may have run them
// in the meantime.
func migrate(ctx context.Context, c *conn, path string, steps []string) error {
	return c.tx("BEGIN IMMEDIATE", func() error {
		version, err := schemaVersion(ctx, c, path)
		if err != nil {
			return err
		}
		for _, step := range steps[version:] {
			sql, err := migrations.ReadFile(step)
			if err == nil {
				err = c.script(string(sql))
			}
			if err != nil {
				return fmt.Errorf("%s: %w", step, err)
			}
		}
		const ours = "PRAGMA application_id = %d; PRAGMA user_version = %d"
		return c.script(fmt.Sprintf(ours, application, len(steps)))
	})
}

// refused says in one sentence why the file cannot be opened and what to do.
func refused(path string, err error) error {
	switch code(err) {
	case sqlite3.SQLITE_NOTADB:
		if !hasHeader(path) {
			return notADatabase(path)
		}
		fallthrough
	case sqlite3.SQLITE_CORRUPT:
		return fmt.Errorf("%s is damaged: restore it from a backup, or save what can be with the .recover "+
			"command of sqlite3: %w", path, err)
	case sqlite3.SQLITE_BUSY:
		return fmt.Errorf("%s is locked by another program: end that first: %w", path, err)
	}
	if errors.Is(err, errNoLog) || err != nil && strings.Contains(err.Error(), "no such table") {
		return fmt.Errorf("%s is damaged: %w: restore it from a backup", path, err)
	}
	if err != nil {
		return fmt.Errorf("cannot open the database %s: %w", path, err)
	}
	return nil
}

func notADatabase(path string) error {
	return fmt.Errorf("%s is no SQLite database: name another file, or move this one away", path)
}

// hasHeader reports whether the file begins as an SQLite database does. It must be called only after
// SQLite has refused the file: closing a database file beside SQLite releases the locks of all
// connections of this process (https://sqlite.org/howtocorrupt.html §2.2).
func hasHeader(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	header := make([]byte, 16)
	_, err = io.ReadFull(f, header)
	return err == nil && string(header) == "SQLite format 3\x00"
}
