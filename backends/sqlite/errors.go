package sqlite

import (
	"context"
	"errors"
	"fmt"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/protocol"
)

var errClosed = protocol.Errorf(protocol.CodeUnavailable, "the gateway is stopping")

// translate is the one place where errors of SQLite become those of the contract.
func translate(ctx context.Context, doing string, err error) error {
	if err == nil || errors.Is(err, backends.ErrCursor) || errors.Is(err, backends.ErrTooBig) {
		return err
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	var known *protocol.Error
	if errors.As(err, &known) {
		return err
	}
	err = fmt.Errorf("sqlite: %s: %w", doing, err)
	switch code(err) {
	case sqlite3.SQLITE_INTERRUPT:
		if ctx.Err() != nil {
			return ctx.Err()
		}
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
		return &backends.Fault{Shown: protocol.Errorf(protocol.CodeUnavailable, "the database is busy: try again"), Cause: err}
	case sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_NOMEM:
		return &backends.Fault{Shown: protocol.Errorf(protocol.CodeUnavailable, "the database is away: try again later"), Cause: err}
	case sqlite3.SQLITE_CONSTRAINT:
		return &backends.Fault{Shown: protocol.Errorf(protocol.CodeInvalidDocument, "the database refuses the document"), Cause: err}
	}
	return err
}

// code is SQLite's primary result code, 0 if err is none of SQLite's.
func code(err error) int {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return 0
	}
	return e.Code() & 0xff
}

// refusal tells errors that concern one transaction alone, and were found before it stored anything that is not
// undone, from those that end everybody's.
func refusal(err error) bool {
	var e *protocol.Error
	return errors.As(err, &e)
}
