package limits

import (
	"hash/maphash"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Rate is how much a user may do: Burst at once, and PerSecond in the long run. 0 per second is no
// limit.
type Rate struct {
	PerSecond float64
	Burst     int
}

const (
	// allowanceShards is how many locks the allowances have.
	allowanceShards = 64
	// mostInShard bounds the allowances of a shard that no connection holds. Up to fewInShard all of
	// them stay: those who come back often find theirs.
	mostInShard, fewInShard = 256, 32
	// lookedAt is how many allowances are looked at to forget those that are whole, for each new one.
	lookedAt = 4
)

// Rates keeps the allowance of each user who does something. Any goroutine may call its methods.
type Rates struct {
	requests, bytes Rate
	seed            maphash.Seed
	shards          [allowanceShards]allowanceShard
}

type allowanceShard struct {
	mu     sync.Mutex
	byUser map[string]*Allowance
}

// NewRates gives every user the same rates of requests and of bytes.
func NewRates(requests, bytes Rate) *Rates {
	r := &Rates{requests: requests, bytes: bytes, seed: maphash.MakeSeed()}
	for i := range r.shards {
		r.shards[i].byUser = map[string]*Allowance{}
	}
	return r
}

// Requests is how many requests a user may make.
func (r *Rates) Requests() Rate { return r.requests }

// Bytes is how many bytes a user may send.
func (r *Rates) Bytes() Rate { return r.bytes }

// Allowance is what one user may do, over all of the user's connections and requests. nil allows
// everything. Any goroutine may call its methods.
type Allowance struct {
	user            string
	requests, bytes *rate.Limiter // nil without a limit
	held            int           // by so many connections; the shard's mu guards it
}

// Of is the allowance of a user, for a request. It is nil without a user, and where nothing is limited.
func (r *Rates) Of(user string) *Allowance { return r.get(user, 0) }

// Hold is Of for a connection, which calls Drop once it has ended. An allowance that is held is not
// forgotten, however many users there are.
func (r *Rates) Hold(user string) *Allowance { return r.get(user, 1) }

// Drop ends what Hold began.
func (r *Rates) Drop(a *Allowance) {
	if a == nil {
		return
	}
	s := r.shardOf(a.user)
	s.mu.Lock()
	defer s.mu.Unlock()
	a.held--
}

// Held is how many times allowances are held.
func (r *Rates) Held() (n int) {
	for i := range r.shards {
		s := &r.shards[i]
		s.mu.Lock()
		for _, a := range s.byUser {
			n += a.held
		}
		s.mu.Unlock()
	}
	return n
}

func (r *Rates) get(user string, holds int) *Allowance {
	if user == "" || r.requests.PerSecond == 0 && r.bytes.PerSecond == 0 {
		return nil
	}
	s := r.shardOf(user)
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.byUser[user]
	if a == nil {
		s.makeRoom()
		a = &Allowance{user: user, requests: r.requests.limiter(), bytes: r.bytes.limiter()}
		s.byUser[user] = a
	}
	a.held += holds
	return a
}

func (r *Rates) shardOf(user string) *allowanceShard {
	return &r.shards[maphash.String(r.seed, user)%allowanceShards]
}

func (r Rate) limiter() *rate.Limiter {
	if r.PerSecond == 0 {
		return nil
	}
	return rate.NewLimiter(rate.Limit(r.PerSecond), max(r.Burst, 1))
}

// makeRoom forgets some allowances that are whole: a new one is the same. If the shard is full all the
// same, it forgets one that is not whole, and its user has a burst more. The caller holds mu.
func (s *allowanceShard) makeRoom() {
	if len(s.byUser) < fewInShard {
		return
	}
	now, looked := time.Now(), 0
	for user, a := range s.byUser { // Go begins anywhere
		if looked++; looked > lookedAt {
			break
		}
		if a.held == 0 && a.isWhole(now) {
			delete(s.byUser, user)
		}
	}
	if len(s.byUser) < mostInShard {
		return
	}
	for user, a := range s.byUser {
		if a.held == 0 {
			delete(s.byUser, user)
			return
		}
	}
}

func (a *Allowance) isWhole(now time.Time) bool {
	return isWhole(a.requests, now) && isWhole(a.bytes, now)
}

func isWhole(l *rate.Limiter, now time.Time) bool {
	return l == nil || l.TokensAt(now) >= float64(l.Burst())
}

// Request takes one request. A wait of more than 0 refuses it: there is room for it after that time.
func (a *Allowance) Request() (wait time.Duration) {
	if a == nil {
		return 0
	}
	return take(a.requests, 1)
}

// Bytes takes n bytes, as Request does. More than the whole burst counts as all of it.
func (a *Allowance) Bytes(n int) (wait time.Duration) {
	if a == nil {
		return 0
	}
	return take(a.bytes, n)
}

func take(l *rate.Limiter, n int) (wait time.Duration) {
	if l == nil || n == 0 {
		return 0
	}
	now := time.Now()
	n = min(n, l.Burst())
	if l.AllowN(now, n) {
		return 0
	}
	lacking := float64(n) - l.TokensAt(now)
	return max(time.Duration(lacking/float64(l.Limit())*float64(time.Second)), 1)
}
