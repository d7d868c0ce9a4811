package store

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/gateway/metrics"
	"github.com/secondgate/secondgate/protocol"
)

const (
	// faultInterval is the least time between two lines of the log about one kind of fault.
	faultInterval = time.Minute
	// faultKinds bounds the kinds that are told apart. The rest are one kind.
	faultKinds = 32
	// probeInterval is how long a write that succeeded speaks for those that follow.
	probeInterval = 30 * time.Second
	// leastProbe and mostProbe bound the body of a probe after a failed write, in bytes. A small one
	// would fit into what is free in a database that is full.
	leastProbe, mostProbe = 64 << 10, 4 << 20
)

// causer is an error that hides its cause from clients, as those of databases do.
type causer interface{ HiddenCause() error }

// faults notes the faults of the database: for the log, for metrics, and whether writes succeed.
type faults struct {
	log     *slog.Logger
	metrics *metrics.Metrics
	key     string // of the entry that this process probes with

	mu     sync.Mutex
	kinds  map[string]*faultKind
	failed int       // bytes of the write that failed last; 0: the last one succeeded
	wrote  time.Time // when a write last succeeded
}

// faultKind is one kind of fault since its last line.
type faultKind struct {
	logged  time.Time
	leftOut int
}

func newFaults(log *slog.Logger, m *metrics.Metrics) *faults {
	key := strconv.FormatUint(rand.Uint64(), 36)
	return &faults{log: log, metrics: m, kinds: map[string]*faultKind{}, key: key}
}

// note logs and counts an error if it is a fault of the database, which clients are not told the
// cause of. Each kind has a line a minute, which says how many it stands for.
func (f *faults) note(operation string, err error) (isFault bool) {
	var hiding causer
	if !errors.As(err, &hiding) || protocol.CodeOf(err) != protocol.CodeUnavailable {
		return false
	}
	f.metrics.DatabaseFault(operation)
	cause := hiding.HiddenCause()
	now := time.Now()
	f.mu.Lock()
	kind := f.kind(operation + withoutDigits(cause.Error()))
	quiet := now.Sub(kind.logged) < faultInterval && !kind.logged.IsZero()
	leftOut := kind.leftOut
	if quiet {
		kind.leftOut++
	} else {
		kind.logged, kind.leftOut = now, 0
	}
	f.mu.Unlock()
	if !quiet {
		f.log.Error("the database fails", "operation", operation, "error", cause, "left_out", leftOut)
	}
	return true
}

// kind is called with mu held.
func (f *faults) kind(name string) *faultKind {
	k := f.kinds[name]
	if k == nil {
		if len(f.kinds) >= faultKinds {
			name = ""
			k = f.kinds[name]
		}
		if k == nil {
			k = &faultKind{}
			f.kinds[name] = k
		}
	}
	return k
}

// withoutDigits is a text without what differs from one fault to the next of its kind, such as
// ports.
func withoutDigits(text string) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return -1
		}
		return r
	}, text)
}

// written notes the outcome of a write of so many bytes. A refusal says nothing about the database.
func (f *faults) written(bytes int, err error) (isFault bool) {
	isFault = f.note("write", err)
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case err == nil:
		f.failed, f.wrote = 0, time.Now()
	case isFault:
		f.failed = min(max(bytes, leastProbe), mostProbe)
	}
	return isFault
}

// due returns the size of the write that would tell whether the database takes writes, 0 if that is
// known.
func (f *faults) due() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.failed == 0 && !f.wrote.IsZero() && time.Since(f.wrote) < probeInterval {
		return 0
	}
	return max(f.failed, 1)
}

// ProbeWrite returns nil when the database takes writes. It writes an entry of its own unless a
// write of a client has just succeeded. After a write that failed, the entry is as large. It is for
// the gateway itself, not for a client.
func (s *Store) ProbeWrite(ctx context.Context) error {
	bytes := s.faults.due()
	if bytes == 0 {
		return nil
	}
	now := s.now()
	err := s.backend.Put(ctx, backends.Entry{
		Kind: "probe", Key: s.faults.key, Body: make([]byte, bytes), At: now, Expires: now.Add(time.Hour),
	}, false)
	if err == nil && bytes > 1 { // give the space back
		_, err = s.backend.Take(ctx, "probe", s.faults.key)
	}
	if !s.faults.written(bytes, err) {
		s.probed(ctx, err)
	}
	return err
}

// probed logs what is wrong with a probe and no fault that has been noted.
func (s *Store) probed(ctx context.Context, err error) {
	if err != nil && ctx.Err() == nil {
		s.log.Warn("the database does not answer the readiness check", "error", err)
	}
}
