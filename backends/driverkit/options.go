package driverkit

import (
	"log/slog"
	"time"
)

// DefaultRetention is how long changes are kept unless an option says otherwise.
const DefaultRetention = 24 * time.Hour

// Complete sets the options that every driver has to their defaults where they are not set.
func Complete(retention *time.Duration, log **slog.Logger, committed *func(requests, waiting int)) {
	if *retention <= 0 {
		*retention = DefaultRetention
	}
	if *log == nil {
		*log = slog.Default()
	}
	if *committed == nil {
		*committed = func(int, int) {}
	}
}

// MutationRetention is how long mutations are kept: as long as changes are, and 24 h at least, as
// the protocol promises.
func MutationRetention(retention time.Duration) time.Duration { return max(retention, 24*time.Hour) }
