package store

import (
	"context"
	"sync"
	"time"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/protocol"
)

// Quota is how much one scope may hold. 0 is no limit.
type Quota struct {
	Documents int
	Bytes     int64
}

const (
	// usageTime is how long a count of a scope is good. What this process writes is added to it; what other
	// gateways and programs write is seen by the next count.
	usageTime = 30 * time.Second
	// fullTime is how long the count of a scope without room is good: somebody may have deleted elsewhere.
	fullTime = time.Second
	// rest is how many times longer than a count took nobody counts again.
	rest = 20
	// mostUsages bounds the scopes whose usage is known. One that is forgotten is counted again.
	mostUsages = 10_000
)

// usages know how much the scopes hold that are written to. Any goroutine may call its methods.
type usages struct {
	quota Quota
	count func(context.Context, protocol.Scope) (backends.Usage, error)
	now   func() time.Time

	mu    sync.Mutex
	known map[protocol.Scope]*usage
}

// usage is what one scope holds: at most this much by what this process knows, which is why what is under
// way counts too.
type usage struct {
	turn chan struct{} // held by the one caller that counts

	// The fields below are guarded by usages.mu.

	held    backends.Usage // counted, and written since
	pending backends.Usage // may be written by what is under way
	grown   backends.Usage // has been added since ever, whatever was deleted
	counted time.Time      // zero: never
	took    time.Duration  // the last count
	busy    int            // callers that use this
}

func newUsages(q Quota, b backends.Backend) *usages {
	return &usages{quota: q, count: b.Usage, now: time.Now, known: map[protocol.Scope]*usage{}}
}

// limited reports whether there is any quota.
func (u *usages) limited() bool { return u.quota != Quota{} }

// reserve takes room for transactions of one scope, and marks those for which there is none. The caller
// calls settle with the outcomes. It fails if a scope cannot be counted that never was.
func (u *usages) reserve(ctx context.Context, s protocol.Scope, txs []backends.Tx) (*reservation, error) {
	r := &reservation{usages: u, usage: u.hold(s)}
	r.most = make([]backends.Usage, len(txs))
	for i := range txs {
		r.most[i] = mostOf(&txs[i])
	}
	if err := u.refresh(ctx, s, r); err != nil {
		r.release()
		return nil, err
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	for i := range txs {
		r.take(&txs[i], r.most[i])
	}
	return r, nil
}

// hold is the usage of a scope, which is not forgotten until release.
func (u *usages) hold(s protocol.Scope) *usage {
	u.mu.Lock()
	defer u.mu.Unlock()
	one := u.known[s]
	if one == nil {
		u.makeRoom()
		one = &usage{turn: make(chan struct{}, 1)}
		u.known[s] = one
	}
	one.busy++
	return one
}

// makeRoom forgets a usage that nobody uses. The caller holds mu.
func (u *usages) makeRoom() {
	if len(u.known) < mostUsages {
		return
	}
	for s, one := range u.known { // Go begins anywhere
		if one.busy == 0 {
			delete(u.known, s)
			return
		}
	}
}

// refresh counts the scope if what is known is too old. One caller counts; the others wait only where
// nothing is known, or where there is no room by what is.
func (u *usages) refresh(ctx context.Context, s protocol.Scope, r *reservation) error {
	due, must := u.isDue(r)
	if !due {
		return nil
	}
	select {
	case r.usage.turn <- struct{}{}:
	default:
		if !must {
			return nil
		}
		select {
		case r.usage.turn <- struct{}{}:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	defer func() { <-r.usage.turn }()
	if due, _ = u.isDue(r); !due { // another one has counted meanwhile
		return nil
	}
	err := u.recount(ctx, s, r.usage)
	if err != nil && !u.isKnown(r.usage) {
		return err
	}
	return nil // what was known must do
}

// isDue reports whether a scope should be counted, and whether the caller has to wait for that.
func (u *usages) isDue(r *reservation) (due, must bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	one, age := r.usage, u.now().Sub(r.usage.counted)
	if one.counted.IsZero() {
		return true, true
	}
	if age < rest*one.took {
		return false, false
	}
	for _, most := range r.most {
		if documents, bytes := u.lacks(one, most); documents || bytes {
			return age >= fullTime, true
		}
	}
	return age >= usageTime, false
}

func (u *usages) isKnown(one *usage) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return !one.counted.IsZero()
}

// recount reads what the scope holds. What was under way when it began, or has been written since, may be in
// the count or not: it counts as if it were not, until the next count.
func (u *usages) recount(ctx context.Context, s protocol.Scope, one *usage) error {
	u.mu.Lock()
	before, began := one.grown, u.now()
	u.mu.Unlock()
	counted, err := u.count(ctx, s)
	if err != nil {
		return err
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	one.held = plus(counted, minus(one.grown, before))
	one.counted, one.took = began, u.now().Sub(began)
	return nil
}

// lacks reports whether there is no room for documents, and for bytes. The caller holds mu.
func (u *usages) lacks(one *usage, more backends.Usage) (documents, bytes bool) {
	would := plus(plus(one.held, one.pending), more)
	return u.quota.Documents > 0 && would.Documents > u.quota.Documents,
		u.quota.Bytes > 0 && would.Bytes > u.quota.Bytes
}

func plus(a, b backends.Usage) backends.Usage {
	return backends.Usage{Documents: a.Documents + b.Documents, Bytes: a.Bytes + b.Bytes}
}

func minus(a, b backends.Usage) backends.Usage {
	return backends.Usage{Documents: a.Documents - b.Documents, Bytes: a.Bytes - b.Bytes}
}
