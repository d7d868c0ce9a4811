package differential_test

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/protocol"
)

// author makes a history up. What it makes follows from its seed and from the answers so far; only
// the times, which begin now lest memories expire, are others in each run.
type author struct {
	*rand.Rand
	known *known
	clock time.Time
	// serial numbers everything that is to be unlike anything before.
	serial int
	// pending are requests that belong together with the last one.
	pending []request
	// sent are the latest transactions with a mutation, for retries.
	sent []backends.Tx
}

func newAuthor(seed uint64, k *known) *author {
	return &author{
		Rand: rand.New(rand.NewPCG(seed, 0xd1ff)), known: k, clock: time.Now().UTC().Truncate(time.Second),
	}
}

// one is true once in n times.
func (a *author) one(n int) bool { return a.IntN(n) == 0 }

func oneOf[E any](a *author, all []E) E { return all[a.IntN(len(all))] }

func (a *author) next() int {
	a.serial++
	return a.serial
}

// request is the next one: a write mostly.
func (a *author) request() (next request) {
	if len(a.pending) > 0 {
		next, a.pending = a.pending[0], a.pending[1:]
		return next
	}
	switch n := a.IntN(100); {
	case n < 68:
		return writing{a.call()}
	case n < 76:
		return listing{a.place(), backends.Query{Limit: oneOf(a, limits), MaxBytes: oneOf(a, sizes)}, a.one(40)}
	case n < 84:
		return reading{a.ref(a.place())}
	case n < 88:
		return counting{oneOf(a, scopes)}
	case n < 92:
		return a.ledger()
	case n < 93:
		return marking{}
	case n < 94:
		return missing{oneOf(a, scopes)}
	case n < 95:
		return catchingUp{oneOf(a, scopes)}
	case n < 96:
		return resuming{}
	case n < 97:
		a.pending = []request{mirroring{}}
		return settling{}
	case n < 99:
		return a.query()
	default:
		return settling{}
	}
}

var (
	limits = []int{0, 0, 1, 2, 3, 5, 10, 1000}
	sizes  = []int{0, 0, 0, 1, 100, 500, 3000}
)

// epilogue looks at everything.
func (a *author) epilogue() (all []request) {
	all = append(all, settling{}, mirroring{})
	for _, s := range scopes {
		all = append(all, counting{s}, catchingUp{s}, missing{s})
		for _, c := range collections {
			all = append(all, listing{place{s, c}, backends.Query{Limit: 7}, false},
				querying{place{s, c}, "{}", []string{"k", "-n"}, 7})
		}
	}
	for _, kind := range kinds {
		all = append(all, finding{kind, "", "", 1 << 20})
	}
	return all
}

// call is what one call of Write is to do. A retry is the last of them: its documents are to be
// what they are now, which may be before or after those that follow it.
func (a *author) call() (txs []backends.Tx) {
	n := 1
	if a.one(4) {
		n = 2 + a.IntN(3)
	}
	for len(txs) < n {
		if len(a.sent) > 0 && a.one(10) {
			return append(txs, a.again(oneOf(a, a.sent)))
		}
		txs = append(txs, a.tx())
	}
	if first := txs[0]; first.Mutation != "" && a.one(4) {
		return append(txs, a.again(first))
	}
	return txs
}

// tx is a new transaction.
func (a *author) tx() backends.Tx {
	tx := backends.Tx{
		Scope: oneOf(a, scopes), By: oneOf(a, actors), At: a.time(),
		Principal: oneOf(a, principals),
	}
	size := 1
	if a.one(2) {
		size = 2 + a.IntN(5)
	}
	for range size {
		tx.Writes = append(tx.Writes, a.write(tx.Scope, tx.Writes))
	}
	if a.one(4) {
		tx.Mutation, tx.At = fmt.Sprintf(
			"m%d-%x", a.next(), a.Uint32(),
		), a.clock // no other day: memories must not expire
	}
	if a.one(8) {
		tx.Entries = audit(a.next())
	}
	tx.Digest = digestOf(tx)
	return tx
}

// again is a retry; or a request that only looks like one, for the mutation is another's, or what
// it asks for is.
func (a *author) again(tx backends.Tx) backends.Tx {
	a.time()
	switch a.IntN(6) {
	case 0:
		tx.Digest[a.IntN(len(tx.Digest))]++
	case 1:
		a.anew(&tx)
		tx.Digest = digestOf(tx)
	case 2:
		tx.Principal = oneOf(a, principals)
		a.anew(&tx)
	case 3:
		tx.Scope = oneOf(a, scopes)
		a.anew(&tx)
	}
	tx.At = a.clock
	return tx
}

// anew gives a transaction other writes: ids that a server has made do not come again. The digest
// stays.
func (a *author) anew(tx *backends.Tx) {
	tx.Writes, tx.Entries = []backends.Write{a.write(tx.Scope, nil)}, audit(a.next())
}

// time is when the next transaction says it is: a little later than the last mostly, sometimes the
// same millisecond or an earlier one, and rarely another day altogether.
func (a *author) time() time.Time {
	switch {
	case a.one(200):
		a.clock = a.clock.Add(time.Duration(a.IntN(20000)-10000) * time.Millisecond)
	case a.one(20):
		a.clock = a.clock.Add(-time.Duration(a.IntN(60000)) * time.Microsecond)
	default:
		a.clock = a.clock.Add(time.Duration(a.IntN(3000)) * time.Microsecond)
	}
	if a.one(60) {
		return a.clock.Add(time.Duration(a.IntN(2000)-1000) * 24 * time.Hour)
	}
	return a.clock
}

// learn takes what all sides have answered into what is known.
func (a *author) learn(txs []backends.Tx, outs []backends.Outcome) {
	for i, o := range outs {
		if txs[i].Mutation != "" {
			a.sent = append(a.sent, txs[i])
			a.sent = a.sent[max(0, len(a.sent)-100):]
		}
		if o.Err != nil || o.Replayed {
			continue
		}
		for _, c := range o.Changes {
			a.known.take(c)
		}
	}
}

// Names that are alike, and some that mean something somewhere.
var (
	scopes = []protocol.Scope{
		{
			Workspace: "w-1", App: "app",
		}, {
			Workspace: "w-1", App: "app", Draft: true,
		}, {Workspace: "w-1", App: "app_"}, {Workspace: "w", App: "1-app"},
	}
	collections = []string{"notes", "Notes", "notes ", "a/b.$c%2F", "__proto__", "été ☃ 😀"}
	actors      = []backends.Actor{{Kind: "user", ID: "ann"}, {Kind: "agent", ID: "robot"}, {Kind: "anonymous"}}
	principals  = []string{"user:ann", "user:Ann", "agent:robot"}
	kinds       = []string{"trail", "ticket", "Ticket"}
	clientIDs   = []string{
		"a", "A", "b", "_", "-", "__proto__", "0", "00", "d1", "d10", "d2", "0123456789ABCDEF01234567",
		"0123456789abcdef0123456", longID,
	}
)
