package audit

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/protocol"
)

// Level is what leaves rows.
type Level uint8

// The levels. Each has what the one before has.
const (
	LevelOff Level = iota
	LevelWrites
	LevelAll // refused writes too
)

// ParseLevel reads the name of a level: off, writes or all.
func ParseLevel(name string) (Level, bool) {
	level, ok := map[string]Level{"off": LevelOff, "writes": LevelWrites, "all": LevelAll}[name]
	return level, ok
}

// DefaultRetention is how long rows are kept unless the operator says otherwise.
const DefaultRetention = 90 * 24 * time.Hour

// Config of a Trail.
type Config struct {
	Level Level
	// Retention is how long rows are kept; 0: for ever.
	Retention time.Duration
}

// Trail is the audit trail of a database. Any goroutine may call its methods. A nil Trail keeps
// nothing.
type Trail struct {
	config  Config
	ledger  backends.Ledger
	log     *slog.Logger
	now     func() time.Time
	refused refusals

	mu      sync.Mutex
	written map[string]unsealed // by workspace
}

// New makes a trail in a ledger.
func New(ledger backends.Ledger, c Config, log *slog.Logger) *Trail {
	return &Trail{
		config: c, ledger: ledger, log: log, now: time.Now, refused: newRefusals(),
		written: map[string]unsealed{},
	}
}

// Kept reports whether there is a trail.
func (t *Trail) Kept() bool { return t.keeps(LevelWrites) }

func (t *Trail) keeps(level Level) bool { return t != nil && t.config.Level >= level }

// expiry is when a row of a time is removed; zero: never.
func (t *Trail) expiry(at time.Time) time.Time {
	if t.config.Retention <= 0 {
		return time.Time{}
	}
	return at.Add(t.config.Retention)
}

// Add stores a row of something that no transaction of documents does. It sets the row's id, time and
// expiry.
func (t *Trail) Add(ctx context.Context, r Row) error {
	if !t.Kept() {
		return nil
	}
	r.At = protocol.Millis(t.now())
	r.ID, r.Expires = protocol.NewID(r.At), t.expiry(r.At)
	t.noteWritten(r.Workspace)
	return t.ledger.Put(ctx, r.entry(), false)
}

// Beside makes the row of a transaction of what gateways keep for themselves: see [backends.Tx.Entries]. The row
// is about a run of an agent: the document that the transaction changes first.
func (t *Trail) Beside(r Row) func([]backends.Change) []backends.Entry {
	if !t.Kept() {
		return func([]backends.Change) []backends.Entry { return nil }
	}
	r.At = protocol.Millis(t.now())
	r.ID, r.Expires = protocol.NewID(r.At), t.expiry(r.At)
	t.noteWritten(r.Workspace)
	return func(changes []backends.Change) []backends.Entry {
		about := r
		about.Target.ID, about.Related.RunID = changes[0].Ref.ID, changes[0].Ref.ID
		return []backends.Entry{about.entry()}
	}
}

// Run seals rows and stores those of refused writes, until ctx ends.
func (t *Trail) Run(ctx context.Context) {
	if !t.Kept() {
		return
	}
	var running sync.WaitGroup
	running.Go(func() { t.runSealer(ctx) })
	t.runRefused(ctx)
	running.Wait()
}
