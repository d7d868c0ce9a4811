package mongodb

import (
	"context"
	"errors"
	"net"
	"slices"

	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/x/mongo/driver"
	"go.mongodb.org/mongo-driver/v2/x/mongo/driver/topology"

	"github.com/secondgate/secondgate/backends/driverkit"
	"github.com/secondgate/secondgate/protocol"
)

// errUnknown means that it is unknown whether a write has happened.
var errUnknown = errors.New("the outcome is unknown")

// Codes of errors that are treated specially
// (https://www.mongodb.com/docs/manual/reference/error-codes/).
const (
	codeBadValue             = 2
	codeUnauthorized         = 13
	codeAuthenticationFailed = 18
	codeNamespaceExists      = 48
	codeIndexOptionsConflict = 85
	codeWriteConflict        = 112
	codeCappedPositionLost   = 136
	codeDropPending          = 215
	codeSnapshotTooOld       = 239
	codeSnapshotMissing      = 246
	codeHistoryLost          = 286
	codeNoPlan               = 291
	codeWritesBlocked        = 371   // UserWritesBlocked, by setUserWriteBlockMode
	codeDiskFull             = 14031 // OutOfDiskSpace
	codeTooLarge             = 10334 // BSONObjectTooLarge: an event over 16 MiB
	codeDuplicateKey         = 11000
)

// codesDropped are the codes of an operation whose collection was dropped, made or changed while it ran, as
// when a database is restored: NamespaceNotFound, CursorNotFound, NoMatchingDocument (of an index that is
// built), QueryPlanKilled, CursorKilled, snapshots from before the change, IndexBuildAborted, Interrupted and
// BackgroundOperationInProgressForNamespace.
var codesDropped = []int{26, 43, 47, 175, 237, codeSnapshotTooOld, codeSnapshotMissing, 276, 11601, 12587}

// codesHint are the codes of a look-up whose hint names no index, or one that cannot serve it.
var codesHint = []int{codeBadValue, codeNoPlan}

// codesStepDown are the codes of a server that is no primary, or is becoming or ceasing to be one.
var codesStepDown = []int{91, 189, 10107, 11600, 11602, 13435, 13436}

// Labels of errors.
const (
	labelTransient     = "TransientTransactionError"      // the whole transaction may be tried again
	labelUnknownCommit = "UnknownTransactionCommitResult" // the commit may be tried again
)

func hasCode(err error, codes ...int) bool {
	var server mongo.ServerError
	return errors.As(err, &server) && slices.ContainsFunc(codes, server.HasErrorCode)
}

func hasLabel(err error, label string) bool {
	var labeled mongo.LabeledError
	return errors.As(err, &labeled) && labeled.HasErrorLabel(label)
}

// translate turns an error of MongoDB into one of the contract: see [driverkit.Translate].
func (b *Backend) translate(ctx context.Context, doing string, err error) error {
	return driverkit.Translate(ctx, "mongodb", doing, b.life.Explain(ctx, err), classify)
}

// classify is what clients are shown of an error, nil for a defect.
func classify(err error) *protocol.Error {
	switch {
	case hasCode(err, codeDiskFull):
		return driverkit.ShownFull
	case hasCode(err, codeWritesBlocked):
		return driverkit.ShownReadOnly
	case hasCode(err, codeWriteConflict, codeDuplicateKey), // at every try
		hasCode(err, codesDropped...), errors.Is(err, errNoSnapshot), errors.Is(err, errNoDocuments):
		return driverkit.ShownBusy
	case isAway(err), retryable(err):
		return driverkit.ShownAway
	}
	return nil
}

// retryable reports whether nothing has happened and another try may succeed: another transaction
// has changed or made what this one had read, or the server is no primary any more.
func retryable(err error) bool {
	return !errors.Is(err, errUnknown) &&
		(hasLabel(err, labelTransient) || hasCode(err, codeDuplicateKey) || mongo.IsDuplicateKeyError(err))
}

// isAway reports whether the failure passes once the server is back, or another one has taken over.
func isAway(err error) bool {
	var network net.Error
	var selection topology.ServerSelectionError
	var cleared driver.RetryablePoolError
	if errors.As(err, &network) || errors.As(err, &selection) || errors.As(err, &cleared) {
		return true
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) ||
		errors.Is(err, mongo.ErrClientDisconnected) || errors.Is(err, errUnknown) {
		return true
	}
	return mongo.IsNetworkError(err) || mongo.IsTimeout(err) ||
		hasLabel(err, "RetryableWriteError") || hasLabel(err, labelUnknownCommit) || hasCode(err, codesStepDown...)
}
