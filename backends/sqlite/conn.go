package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net/url"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// conn is one connection with its prepared statements. One goroutine at a time may use it. It does
// not use database/sql, whose pool, locks and conversions cost as much as reading one row.
type conn struct {
	raw   driver.Conn
	stmts map[string]*statement
	rows  int // read since the last shareCache
}

type statement struct {
	stmt driver.Stmt
	args []driver.NamedValue
	row  []driver.Value
}

// pragmas apply to every connection of an open backend.
var pragmas = []string{
	"busy_timeout(10000)", "foreign_keys(0)", "recursive_triggers(0)", "synchronous(FULL)", "journal_mode(WAL)",
	"journal_size_limit(67108864)", "wal_autocheckpoint(4000)",
}

// connectTime is how long connect waits for locks. SQLite ignores busy_timeout for some of them:
// for the change to WAL, and when the last connection closes.
const connectTime = 10 * time.Second

// connect opens the file with pragmas. The file must exist unless create is set.
func connect(ctx context.Context, path string, create bool, pragmas ...string) (*conn, error) {
	ctx, cancel := context.WithTimeout(ctx, connectTime)
	defer cancel()
	for {
		c, err := dial(path, create, pragmas)
		if code(err) != sqlite3.SQLITE_BUSY {
			return c, err
		}
		select {
		case <-time.After(10 * time.Millisecond):
		case <-ctx.Done():
			return nil, err
		}
	}
}

func dial(path string, create bool, pragmas []string) (*conn, error) {
	query := url.Values{"_pragma": pragmas, "mode": {"rw"}}
	if create {
		query.Set("mode", "rwc")
	}
	dsn := url.URL{Scheme: "file", OmitHost: true, Path: path, RawQuery: query.Encode()}
	raw, err := (&sqlite.Driver{}).Open(dsn.String())
	if err != nil {
		return nil, err
	}
	return &conn{raw: raw, stmts: map[string]*statement{}}, nil
}

// exec runs one statement and returns the number of rows that it has changed, without those of
// triggers.
func (c *conn) exec(ctx context.Context, sql string, args ...any) (int64, error) {
	s, err := c.bind(sql, args)
	if err != nil {
		return 0, err
	}
	result, err := s.stmt.(driver.StmtExecContext).ExecContext(ctx, s.args)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

// errEnough makes each stop without an error.
var errEnough = errors.New("enough")

// each calls yield for every row of a query, until yield fails. The row is valid during the call
// only. The statement is in use meanwhile, so yield must not run the same statement.
func (c *conn) each(
	ctx context.Context, sql string, args []any, yield func(row []driver.Value) error,
) (err error) {
	s, err := c.bind(sql, args)
	if err != nil {
		return err
	}
	rows, err := s.stmt.(driver.StmtQueryContext).QueryContext(ctx, s.args)
	if err != nil {
		return err
	}
	defer func() {
		if e := rows.Close(); err == nil {
			err = e
		}
	}()
	if s.row == nil {
		s.row = make([]driver.Value, len(rows.Columns()))
	}
	for n := 1; ; n++ {
		c.rows++
		if err := rows.Next(s.row); err != nil {
			return unless(err, io.EOF)
		}
		if err := yield(s.row); err != nil {
			return unless(err, errEnough)
		}
		if n%256 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
	}
}

// one copies the first row into dest. found is false if there is no row.
func (c *conn) one(ctx context.Context, sql string, args []any, dest ...any) (found bool, err error) {
	err = c.each(ctx, sql, args, func(row []driver.Value) error {
		found = true
		if err := scan(row, dest...); err != nil {
			return err
		}
		return errEnough
	})
	return found, err
}

// manyRows is the number of rows after which a connection gives its pages back.
const manyRows = 1000

// shareCache gives the page cache back after many rows. The library is built with
// SQLITE_ENABLE_MEMORY_MANAGEMENT, so all connections share one limit of pages. A connection that
// scans takes all of them; the others would read each page from the file every time.
func (c *conn) shareCache() {
	if c.rows < manyRows {
		return
	}
	c.rows = 0
	c.exec(context.Background(), "PRAGMA shrink_memory") // if it fails, reads are slower
}

// tx runs f in one transaction that sees one snapshot.
func (c *conn) tx(begin string, f func() error) error {
	if _, err := c.exec(context.Background(), begin); err != nil {
		return err
	}
	err := f()
	if err == nil {
		_, err = c.exec(context.Background(), "COMMIT")
	}
	if err != nil {
		c.rollback()
	}
	return err
}

// rollback ends the transaction if one is open. It fails only if SQLite has ended the transaction
// before.
func (c *conn) rollback() { c.exec(context.Background(), "ROLLBACK") }

// bind returns the prepared statement of sql with its arguments set.
func (c *conn) bind(sql string, args []any) (*statement, error) {
	s, ok := c.stmts[sql]
	if !ok {
		stmt, err := c.raw.Prepare(sql)
		if err != nil {
			return nil, err
		}
		s = &statement{stmt: stmt, args: make([]driver.NamedValue, len(args))}
		c.stmts[sql] = s
	}
	for i, arg := range args {
		s.args[i] = driver.NamedValue{Ordinal: i + 1, Value: arg}
	}
	return s, nil
}

// script runs several statements without arguments.
func (c *conn) script(sql string) error {
	stmt, err := c.raw.Prepare(sql)
	if err != nil {
		return err
	}
	defer stmt.Close()
	_, err = stmt.(driver.StmtExecContext).ExecContext(context.Background(), nil)
	return err
}

func (c *conn) close() error {
	var err error
	for _, s := range c.stmts {
		err = errors.Join(err, s.stmt.Close())
	}
	return errors.Join(err, c.raw.Close())
}

// unless returns err, or nil if it is the harmless error.
func unless(err, harmless error) error {
	if errors.Is(err, harmless) {
		return nil
	}
	return err
}

// scan copies a row into dest. NULL leaves the zero value. It fails on a value of another type: an
// outside writer may have switched the CHECKs off.
func scan(row []driver.Value, dest ...any) error {
	for i, d := range dest {
		if row[i] == nil {
			continue
		}
		ok := false
		switch d := d.(type) {
		case *string:
			*d, ok = row[i].(string)
		case *int64:
			*d, ok = row[i].(int64)
		case *[]byte:
			*d, ok = row[i].([]byte)
		}
		if !ok {
			return fmt.Errorf("column %d holds a %T", i, row[i])
		}
	}
	return nil
}
