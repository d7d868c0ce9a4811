package driverkit

import (
	"context"
	"errors"
	"fmt"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/protocol"
)

// Fault is a failure of a database, which may pass. Clients are shown Shown; the log has Cause.
type Fault struct {
	Shown *protocol.Error
	Cause error
}

func (f *Fault) Error() string   { return f.Shown.Error() + " (" + f.Cause.Error() + ")" }
func (f *Fault) Unwrap() []error { return []error{f.Shown, f.Cause} }

// HiddenCause is what the log gets and clients do not.
func (f *Fault) HiddenCause() error { return f.Cause }

// What clients are shown of a Fault.
var (
	ShownAway = protocol.Errorf(protocol.CodeUnavailable, "the database is away: try again later")
	ShownFull = protocol.Errorf(protocol.CodeUnavailable, "the database is full: "+
		"the operator must make room")
	ShownReadOnly = protocol.Errorf(protocol.CodeUnavailable, "the database is read-only: "+
		"the operator must make it writable")
	ShownBroken = protocol.Errorf(protocol.CodeUnavailable, "the database cannot read or write its disk: "+
		"the operator must look at it")
	ShownBusy    = protocol.Errorf(protocol.CodeUnavailable, "the database is busy: try again")
	ShownRefused = protocol.Errorf(protocol.CodeInvalidDocument, "the database refuses the document")
)

// ErrSearchFirst defers an upsert by filter: its caller must search the collection first, which the
// writer does not do. If that did not help MaxSearches times, clients are shown it.
var ErrSearchFirst = protocol.Errorf(protocol.CodeUnavailable,
	"the collection changes faster than it can be searched: try again")

// MaxSearches is how often a call searches a collection before it gives up.
const MaxSearches = 8

// Translate turns an error of a database into one of the contract. Drivers call it once, where a
// call returns. Errors of the contract stay as they are, and a ctx that has ended is the reason of
// any other. classify returns what clients are shown, or nil for a defect. driver and doing are for
// the log.
func Translate(
	ctx context.Context, driver, doing string, err error, classify func(error) *protocol.Error,
) error {
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
	err = fmt.Errorf("%s: %s: %w", driver, doing, err)
	if shown := classify(err); shown != nil {
		return &Fault{Shown: shown, Cause: err}
	}
	return err
}

// ErrExists refuses a write that would make a document whose id is taken.
func ErrExists(r protocol.Ref) error {
	return protocol.Errorf(protocol.CodeAlreadyExists,
		"there is already a document %q in %q", r.ID, r.Collection)
}

// ErrEntryExists refuses an entry of the ledger whose key is taken.
func ErrEntryExists(key string) error {
	return protocol.Errorf(protocol.CodeAlreadyExists, "there is already an entry %q", key)
}

// ErrNoEntry is the answer for an entry of the ledger that does not exist, or has expired.
func ErrNoEntry(key string) error {
	return protocol.Errorf(protocol.CodeNotFound, "there is no entry %q", key)
}
