package postgres

import (
	"context"
	"errors"
	"fmt"
	"net"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/protocol"
)

var errClosed = protocol.Errorf(protocol.CodeUnavailable, "the gateway is stopping")

// errNoEpoch: the database has crashed since we looked, and nobody has begun a new epoch yet.
var errNoEpoch = errors.New("the database has lost its epoch: it has crashed or was promoted")

// errStandby: the server takes no writes, and its snapshots hide transactions that are under way.
var errStandby = errors.New("the server is a standby")

// SQLSTATEs that are told apart (https://www.postgresql.org/docs/current/errcodes-appendix.html).
const (
	uniqueViolation     = "23505"
	checkViolation      = "23514"
	untranslatable      = "22P05" // U+0000 in jsonb
	serializationFailed = "40001"
	deadlockDetected    = "40P01"
	readOnly            = "25006"
	abandoned           = "25P03" // a transaction of ours said nothing for abandonedMillis
	unloggedOnStandby   = "0A000" // a standby cannot read app_data_epoch
)

// translate is the one place where errors of PostgreSQL become those of the contract.
func translate(ctx context.Context, doing string, err error) error {
	if err == nil || errors.Is(err, backends.ErrCursor) || errors.Is(err, backends.ErrTooBig) {
		return err
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var known *protocol.Error
	if errors.As(err, &known) {
		return err
	}
	err = fmt.Errorf("postgres: %s: %w", doing, err)
	switch {
	case isAway(err):
		return &backends.Fault{Shown: protocol.Errorf(protocol.CodeUnavailable, "the database is away: try again later"), Cause: err}
	case again(err): // as often as it was tried
		return &backends.Fault{Shown: protocol.Errorf(protocol.CodeUnavailable, "the database is busy: try again"), Cause: err}
	case isState(err, checkViolation, untranslatable):
		return &backends.Fault{Shown: protocol.Errorf(protocol.CodeInvalidDocument, "the database refuses the document"), Cause: err}
	}
	return err
}

// isAway tells failures that pass when the server is there again, or another one has taken over.
func isAway(err error) bool {
	var state *pgconn.PgError
	if errors.As(err, &state) {
		switch state.Code[:2] {
		case "08", "53", "57", "58": // connection, resources, operator intervention (shutdown, start), system
			return true
		}
		return state.Code == readOnly || state.Code == abandoned || state.Code == unloggedOnStandby // it was demoted
	}
	var network net.Error
	var connecting *pgconn.ConnectError
	return errors.As(err, &network) || errors.As(err, &connecting) || errors.Is(err, errNoEpoch) || errors.Is(err, errStandby) ||
		errors.Is(err, net.ErrClosed) || errors.Is(err, pgconn.ErrConnClosed) || isEOF(err) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)
}

func isState(err error, codes ...string) bool {
	var state *pgconn.PgError
	if !errors.As(err, &state) {
		return false
	}
	for _, code := range codes {
		if state.Code == code {
			return true
		}
	}
	return false
}
