package sqlite

import (
	"context"
	"errors"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/secondgate/secondgate/backends/driverkit"
	"github.com/secondgate/secondgate/protocol"
)

// translate turns an error of SQLite into one of the contract: see [driverkit.Translate].
func translate(ctx context.Context, doing string, err error) error {
	return driverkit.Translate(ctx, "sqlite", doing, err, classify)
}

// classify is what clients are shown of an error, nil for a defect.
func classify(err error) *protocol.Error {
	switch code(err) {
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
		return driverkit.ShownBusy
	case sqlite3.SQLITE_FULL:
		return driverkit.ShownFull
	case sqlite3.SQLITE_READONLY:
		return driverkit.ShownReadOnly
	case sqlite3.SQLITE_IOERR:
		return driverkit.ShownBroken
	case sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_NOMEM:
		return driverkit.ShownAway
	case sqlite3.SQLITE_CONSTRAINT:
		return driverkit.ShownRefused
	}
	return nil
}

// code is SQLite's primary result code, 0 for other errors.
func code(err error) int {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return 0
	}
	return e.Code() & 0xff
}

// refusal reports whether an error concerns one job only. Such a job has stored nothing, or has
// undone it. Any other error ends the whole group.
func refusal(err error) bool {
	var e *protocol.Error
	return errors.As(err, &e)
}
