package postgres_test

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"math/rand/v2"
	"reflect"
	"time"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/backends/postgres"
	"github.com/secondgate/secondgate/protocol"
)

// link is one state of a document's chain.
type link struct{ C, V int }

func (l link) after(other link) bool { return l.C > other.C || l.C == other.C && l.V > other.V }

// chainReader is a client: a copy, the cursor at which it was whole, and the last link of each
// chain that it has seen.
type chainReader struct {
	*stress
	number  int
	gateway *postgres.Backend
	dice    *rand.Rand
	copy    map[string]protocol.Document
	seen    map[string]link
	at      backends.Cursor
	feed    backends.Feed
	// Lists that were read on the way, each with the changes after it.
	lists []joined
}

// joined is a list, and the changes that the reader got after its own cursor at that time.
type joined struct {
	page backends.Page
	copy map[string]protocol.Document
}

func newChainReader(s *stress, number int) *chainReader {
	r := &chainReader{stress: s, number: number, gateway: s.gateways[number%2],
		dice: rand.New(rand.NewPCG(2, uint64(number))), copy: map[string]protocol.Document{},
		seen: map[string]link{}}
	r.at = now(s, r.gateway) // before the first write, the copy and the list are empty
	r.lists = []joined{{list(s, r.gateway), map[string]protocol.Document{}}}
	return r
}

// read follows until it has reached the final cursor. An error ends the test.
func (r *chainReader) read(final <-chan backends.Cursor) {
	var end backends.Cursor
	for end == nil || !r.at.Reached(end) {
		select {
		case end = <-final:
		default:
		}
		if r.Failed() {
			if end == nil {
				<-final
			}
			break
		}
		r.turn(end != nil)
	}
	r.stop()
}

// turn takes one batch, or is a kill.
func (r *chainReader) turn(ending bool) {
	if r.feed == nil && !r.resume() {
		return
	}
	// without further changes, the reader must check for the end
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	killed := !ending && r.dice.IntN(4) == 0
	if killed && r.dice.IntN(2) == 0 { // the kill is in the middle of a read
		time.AfterFunc(time.Duration(r.dice.Int64N(int64(5*time.Millisecond))), cancel)
	}
	batch, err := r.feed.Next(ctx)
	switch {
	case err != nil && killed:
		r.die()
	case errors.Is(err, context.DeadlineExceeded):
	case err != nil:
		r.Errorf("reader %d: %v", r.number, err)
	case killed: // the kill is in the middle of a batch: what was applied of it may be lost or not
		if r.dice.IntN(2) == 0 {
			r.apply(batch.Changes[:r.dice.IntN(len(batch.Changes)+1)], true)
		}
		r.die()
	default:
		r.take(batch)
	}
}

func (r *chainReader) die() {
	r.stop()
	r.did.kills.Add(1)
}

func (r *chainReader) stop() {
	if r.feed != nil {
		if err := r.feed.Close(); err != nil {
			r.Errorf("reader %d: %v", r.number, err)
		}
		r.feed = nil
	}
}

// resume begins again from the bytes of the cursor: by Since and then a feed, or by a feed alone.
// It returns false if it could not.
func (r *chainReader) resume() bool {
	ctx := context.Background()
	at, err := r.gateway.Cursor(ctx, r.at.Append(nil))
	if err == nil {
		r.at = at
		if r.dice.IntN(2) == 0 {
			var batch backends.Batch
			if batch, err = r.gateway.Since(ctx, scope, r.at, 0); err == nil {
				r.did.sinces.Add(1)
				r.take(batch)
			}
		}
	}
	if err == nil {
		r.feed, err = r.gateway.Watch(ctx, r.at)
	}
	if err != nil {
		r.Errorf("reader %d: resume: %v", r.number, err)
	}
	return err == nil
}

// take takes a whole batch: at its cursor the copy is whole.
func (r *chainReader) take(batch backends.Batch) {
	if batch.LostAll || len(batch.Lost) > 0 {
		r.Errorf("reader %d: something was lost", r.number)
		return
	}
	for _, c := range batch.Changes {
		if r.at.Covers(c) || !batch.Cursor.Covers(c) {
			r.Errorf("reader %d: a change of %s is outside its batch", r.number, c.Ref)
		}
	}
	r.apply(batch.Changes, false)
	r.at = batch.Cursor
	r.did.batches.Add(1)
	if r.dice.IntN(10) == 0 {
		r.did.states.Add(1)
		if want := r.known(r.at); !reflect.DeepEqual(want, r.copy) {
			r.Errorf("reader %d: at %v the copy is %v; it should be %v", r.number, r.at, r.copy, want)
		}
	}
	if r.dice.IntN(50) == 0 && len(r.lists) < 20 {
		r.did.lists.Add(1)
		page := list(r, r.gateway)
		if want := r.known(page.Cursor); !reflect.DeepEqual(want, copied(page)) {
			r.Errorf("reader %d: a list is %v; it should be %v", r.number, copied(page), want)
		}
		r.lists = append(r.lists, joined{page, copied(page)})
	}
}

// apply compares each change with the chain and applies it to the copies. It skips the change for a
// list that contains it. Of a batch that a kill cuts off, only a client that keeps its copy
// remembers anything: the batch comes again.
func (r *chainReader) apply(changes []backends.Change, cut bool) {
	for _, c := range changes {
		if !cut {
			for _, l := range r.lists {
				if !l.page.Cursor.Covers(c) {
					fold(l.copy, []backends.Change{c})
				}
			}
		}
		if c.Doc == nil {
			delete(r.copy, c.Ref.ID)
			continue
		}
		var state link
		if err := json.Unmarshal(c.Doc.Data, &state); err != nil || state.C == 0 {
			r.Errorf("reader %d: %s is no link of a chain", r.number, c.Doc.Data)
		}
		if last := r.seen[c.Ref.ID]; !cut && !state.after(last) {
			r.Errorf("reader %d: %s: got %v after %v", r.number, c.Ref, state, last)
		} else if !cut {
			r.seen[c.Ref.ID] = state
		}
		r.copy[c.Ref.ID] = *c.Doc
	}
}

// joinAll compares every list, joined with the changes after it, with the final state.
func (r *chainReader) joinAll(want map[string]protocol.Document) {
	for i, l := range r.lists {
		if !reflect.DeepEqual(want, l.copy) {
			r.Errorf("reader %d: list %d joined with the feed is %v; it should be %v", r.number, i, maps.Clone(l.copy),
				want)
		}
	}
}
