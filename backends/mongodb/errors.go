package mongodb

import (
	"context"
	"errors"
	"fmt"
	"net"

	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/x/mongo/driver"
	"go.mongodb.org/mongo-driver/v2/x/mongo/driver/topology"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/protocol"
)

var (
	errClosed     = protocol.Errorf(protocol.CodeUnavailable, "the gateway is stopping")
	errFeedClosed = errors.New("mongodb: the feed is closed")
	// errUnknown: it may or may not have happened.
	errUnknown = errors.New("the outcome is unknown")
)

// Codes of the server that are told apart (https://www.mongodb.com/docs/manual/reference/error-codes/).
const (
	codeUnauthorized       = 13
	codeNamespaceExists    = 48
	codeWriteConflict      = 112
	codeCappedPositionLost = 136
	codeDropPending        = 215
	codeSnapshotTooOld     = 239
	codeSnapshotMissing    = 246
	codeHistoryLost        = 286
	codeTooLarge           = 10334 // BSONObjectTooLarge: an event over 16 MiB
	codeDuplicateKey       = 11000
)

// transient is the label of errors after which a transaction may be tried again from its beginning, unknownCommit of those
// after which its commit may.
const (
	transient     = "TransientTransactionError"
	unknownCommit = "UnknownTransactionCommitResult"
)

func hasCode(err error, codes ...int) bool {
	var server mongo.ServerError
	if !errors.As(err, &server) {
		return false
	}
	for _, code := range codes {
		if server.HasErrorCode(code) {
			return true
		}
	}
	return false
}

func hasLabel(err error, label string) bool {
	var labeled mongo.LabeledError
	return errors.As(err, &labeled) && labeled.HasErrorLabel(label)
}

// translate is the one place where errors of MongoDB become those of the contract.
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
	err = fmt.Errorf("mongodb: %s: %w", doing, err)
	switch {
	case hasCode(err, codeWriteConflict, codeDuplicateKey): // as often as it was tried
		return &backends.Fault{Shown: protocol.Errorf(protocol.CodeUnavailable, "the database is busy: try again"), Cause: err}
	case isAway(err), again(err):
		return &backends.Fault{Shown: protocol.Errorf(protocol.CodeUnavailable, "the database is away: try again later"), Cause: err}
	}
	return err
}

// isAway tells failures that pass when the server is there again, or another one has taken over.
func isAway(err error) bool {
	var network net.Error
	var selection topology.ServerSelectionError
	var cleared driver.RetryablePoolError
	return mongo.IsNetworkError(err) || mongo.IsTimeout(err) || errors.As(err, &network) || errors.Is(err, mongo.ErrClientDisconnected) ||
		errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) ||
		errors.Is(err, errUnknown) || hasLabel(err, "RetryableWriteError") || hasLabel(err, unknownCommit) ||
		errors.As(err, &selection) || errors.As(err, &cleared) || hasCode(err, steppingDown...)
}

// steppingDown are the codes of a server that is no primary, or is becoming or ceasing to be one.
var steppingDown = []int{91, 189, 10107, 11600, 11602, 13435, 13436}
