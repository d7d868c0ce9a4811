package access

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/secondgate/secondgate/protocol"
)

// ledgerTime is how long a look into the ledger may take for a client that waits.
const ledgerTime = 10 * time.Second

// ledgerFailed is what a client may see of an error of the ledger. An error that does not pass goes to
// the log.
func ledgerFailed(log *slog.Logger, what string, err error) *protocol.Error {
	var known *protocol.Error
	switch {
	case errors.As(err, &known):
		return known
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return protocol.Errorf(protocol.CodeUnavailable, "the database is away for the moment: try again")
	}
	log.Error(what, "error", err)
	return protocol.Errorf(protocol.CodeInternal, "the gateway failed; its log says how")
}
