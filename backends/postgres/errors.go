package postgres

import (
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/secondgate/secondgate/backends/driverkit"
	"github.com/secondgate/secondgate/protocol"
)

var (
	// errNoEpoch means that the database has crashed, and no gateway has begun a new epoch yet.
	errNoEpoch = errors.New("the database has lost its epoch: it has crashed or was promoted")
	// errStandby means that the server takes no writes. Its snapshots hide transactions that are
	// open.
	errStandby = errors.New("the server is a standby")
	// errChanged means that another transaction has changed what this one had read.
	errChanged = errors.New("a document has changed in the meantime")
	// errBroken means that the connection broke before an answer came. The outcome is unknown.
	errBroken = &brokenError{}
)

type brokenError struct{}

func (*brokenError) Error() string   { return "the connection broke" }
func (*brokenError) Timeout() bool   { return false }
func (*brokenError) Temporary() bool { return true }

// SQLSTATEs of errors that are treated specially
// (https://www.postgresql.org/docs/current/errcodes-appendix.html).
const (
	uniqueViolation     = "23505"
	checkViolation      = "23514"
	untranslatable      = "22P05" // U+0000 in jsonb
	serializationFailed = "40001"
	deadlockDetected    = "40P01"
	lockNotAvailable    = "55P03" // the wait for a lock was over: see briefSettings
	readOnlyTransaction = "25006"
	diskFull            = "53100"
	ioError             = "58030"
	abandoned           = "25P03" // a transaction of ours sent nothing for abandonedMillis
	unloggedOnStandby   = "0A000" // a standby cannot read app_data_epoch
)

// connectFailure is a failure to connect without what the driver puts before it: the user and the
// database, which may hold a password that slipped there. The same goes for the server's sentences
// about them.
type connectFailure struct{ cause error }

func (f connectFailure) Unwrap() error { return f.cause }

func (f connectFailure) Error() string {
	var state *pgconn.PgError
	if errors.As(f.cause, &state) && slices.Contains([]string{"28", "3D"}, state.Code[:2]) {
		return "the server refuses the connection (SQLSTATE " + state.Code + ")"
	}
	return "cannot connect: " + strings.ReplaceAll(errors.Unwrap(f.cause).Error(), "\n", ", ")
}

// withoutConfig returns an error that can be shown and logged.
func withoutConfig(err error) error {
	var connecting *pgconn.ConnectError
	if !errors.As(err, &connecting) {
		return err
	}
	return connectFailure{connecting}
}

// translate turns an error of PostgreSQL into one of the contract: see [driverkit.Translate].
func (b *Backend) translate(ctx context.Context, doing string, err error) error {
	return driverkit.Translate(ctx, "postgres", doing, withoutConfig(b.life.Explain(ctx, err)), classify)
}

// classify is what clients are shown of an error, nil for a defect.
func classify(err error) *protocol.Error {
	switch {
	case isState(err, diskFull):
		return driverkit.ShownFull
	case isState(err, readOnlyTransaction):
		return driverkit.ShownReadOnly
	case isState(err, ioError):
		return driverkit.ShownBroken
	case isAway(err):
		return driverkit.ShownAway
	case retryable(err), isState(err, lockNotAvailable): // but it failed at every try
		return driverkit.ShownBusy
	case isState(err, checkViolation, untranslatable):
		return driverkit.ShownRefused
	}
	return nil
}

// retryable reports whether nothing has happened and another try may succeed.
func retryable(err error) bool {
	return errors.Is(err, errChanged) || isState(err, serializationFailed, deadlockDetected)
}

// isAway reports whether the failure passes once the server is back, or another one has taken over.
func isAway(err error) bool {
	var state *pgconn.PgError
	if errors.As(err, &state) {
		switch state.Code[:2] {
		case "08", "53", "57", "58": // connection, resources, operator intervention (shutdown, start), system
			return true
		}
		// The second and third are those of a server that was demoted.
		return slices.Contains([]string{abandoned, readOnlyTransaction, unloggedOnStandby}, state.Code)
	}
	var network net.Error
	var connecting *pgconn.ConnectError
	if errors.As(err, &network) || errors.As(err, &connecting) {
		return true
	}
	return slices.ContainsFunc([]error{
		errNoEpoch, errStandby, net.ErrClosed, pgconn.ErrConnClosed, io.EOF, io.ErrUnexpectedEOF,
		context.DeadlineExceeded, context.Canceled,
	}, func(away error) bool { return errors.Is(err, away) })
}

func isState(err error, codes ...string) bool {
	var state *pgconn.PgError
	return errors.As(err, &state) && slices.Contains(codes, state.Code)
}
