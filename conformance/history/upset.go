package history

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"time"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/conformance"
	"github.com/secondgate/secondgate/protocol"
)

// Upset is something that happens to the database within a run, such as a crash, while clients stay
// connected.
type Upset struct {
	// Do returns when it has happened and the database answers again. Outside writers and the oracle
	// wait for it; clients and the gateway do not.
	Do    func() error
	Loses Loss
}

// Loss is which acknowledged writes an [Upset] takes away.
type Loss int

const (
	Nothing Loss = iota
	// SinceLast is those since the upset before this one began: that one made a copy of the database,
	// and this one restores it.
	SinceLast
)

// loses tells whether an upset of the run takes anything away.
func (r *run) loses() bool {
	return slices.ContainsFunc(r.Upsets, func(u Upset) bool { return u.Loses != Nothing })
}

// writesBetween is how many writes are acknowledged between two upsets, at least.
const writesBetween = 20

// patience is how long clients may take to recover from an upset, on a busy machine.
const patience = 3 * time.Minute

// mark is a snapshot that every client has to come to with an exact copy.
type mark struct {
	at      backends.Cursor
	reached map[string]bool // by a client's name
}

// upset does what Upsets say, one after the other. Before each and after the last, writes go on and
// every client comes to an exact copy, those that stay on the connection that they had before.
func (r *run) upset() {
	defer r.upsetsOver.Store(true)
	for _, u := range r.Upsets {
		if !r.recovered() || !r.happen(u) {
			return
		}
		r.count(func(c *Counts) { c.Upsets++ })
	}
	r.recovered()
}

// happen has an upset happen.
func (r *run) happen(u Upset) bool {
	r.steady.Lock()
	defer r.steady.Unlock()
	before := r.goal().at
	r.phase.Add(1)
	err := u.Do()
	r.phase.Add(1)
	if err != nil {
		r.fail("history/upset", "%v", err)
		return false
	}
	// A gateway may need a moment to see that the database is another one.
	for u.Loses != Nothing && r.ctx.Err() == nil && !r.forgotten(before) {
		r.pause(10 * time.Millisecond)
	}
	r.since, err = r.now()
	return err == nil
}

// forgotten tells whether the database knows a cursor no more.
func (r *run) forgotten(c backends.Cursor) bool {
	_, err := r.Backend.Cursor(r.ctx, c.Append(nil))
	return errors.Is(err, backends.ErrCursor)
}

// recovered waits until writes are acknowledged again, and then until every client has an exact
// copy.
func (r *run) recovered() bool {
	for wrote := r.counted().Writes; r.ctx.Err() == nil && r.counted().Writes < wrote+writesBetween; {
		r.pause(5 * time.Millisecond)
	}
	limit := time.Now().Add(r.Patience)
	r.aim()
	for r.ctx.Err() == nil {
		if r.forgotten(r.goal().at) {
			r.aim()
		}
		left := r.notExact()
		if len(left) == 0 {
			return true
		}
		if time.Now().After(limit) {
			r.fail("upsets/recovery", "after %d upsets these have no exact copy: %s", r.counted().Upsets, left)
		}
		r.pause(10 * time.Millisecond)
	}
	return false
}

// aim has every client come to the database as it is.
func (r *run) aim() {
	at, _ := r.now() // it fails when the run is over
	r.mu.Lock()
	defer r.mu.Unlock()
	r.mark = mark{at, map[string]bool{}}
}

func (r *run) goal() mark {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.mark
}

// notExact names the clients that have not come to the mark.
func (r *run) notExact() (names []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, name := range r.names {
		if !r.mark.reached[name] {
			names = append(names, name)
		}
	}
	return names
}

// awaits tells whether a client has yet to come to a snapshot: until then it is not cut, and asks for
// nothing more.
func (r *run) awaits(name string) bool {
	if r.ended.Load() {
		return true
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.mark.at != nil && !r.mark.reached[name]
}

// exact notes that a client's whole copy equals the database at a snapshot.
func (r *run) exact(name string, at backends.Cursor) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.mark.at != nil && at.Reached(r.mark.at) {
		r.mark.reached[name] = true
	}
}

// ask asks the oracle. What was before the last upset the database need not know any more.
func (r *run) ask(at backends.Cursor) (docs map[string]map[string]protocol.Document, known bool) {
	if r.Upsets == nil {
		return r.Oracle(r.t, r.Scope, at), true
	}
	asked := &attempt{T: r.t}
	done := make(chan struct{})
	go func() { // a failure ends it
		defer close(done)
		docs = r.Oracle(asked, r.Scope, at)
	}()
	<-done
	if asked.failure != "" && r.since != nil && at.Reached(r.since) {
		r.fail("history/oracle", "%s", asked.failure)
	}
	return docs, asked.failure == ""
}

// attempt is the T of one question to the oracle, which may fail.
type attempt struct {
	conformance.T
	failure string
}

func (a *attempt) Fatalf(format string, args ...any) {
	a.failure = fmt.Sprintf(format, args...)
	runtime.Goexit()
}
