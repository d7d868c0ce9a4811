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

// link is a state of a document's chain.
type link struct{ C, V int }

func (l link) after(other link) bool { return l.C > other.C || l.C == other.C && l.V > other.V }

// chainReader is a client: a copy, the cursor it was whole at, and the last link of each chain it
// has seen.
type chainReader struct {
	*stress
	number  int
	gateway *postgres.Backend
	dice    *rand.Rand
	copy    map[string]protocol.Document
	seen    map[string]link
	at      backends.Cursor
	feed    backends.Feed
	// lists are taken on the way; everything told after each is kept for it.
	lists []joined
}

// joined is a list, and what the reader was told from its own cursor of that moment on.
type joined struct {
	page backends.Page
	copy map[string]protocol.Document
}

func newChainReader(s *stress, number int) *chainReader {
	r := &chainReader{stress: s, number: number, gateway: s.gateways[number%2], dice: rand.New(rand.NewPCG(2, uint64(number))), copy: map[string]protocol.Document{}, seen: map[string]link{}}
	r.at = now(s, r.gateway) // before the first write: the copy is empty, and so is the list
	r.lists = []joined{{list(s, r.gateway), map[string]protocol.Document{}}}
	return r
}

// read follows until it has reached the final cursor. Whatever goes wrong with it ends the test.
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

// turn is one batch, or a kill.
func (r *chainReader) turn(ending bool) {
	if r.feed == nil && !r.resume() {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second) // when all is told there is an end to look for
	defer cancel()
	killed := !ending && r.dice.IntN(4) == 0
	if killed && r.dice.IntN(2) == 0 { // in the middle of a read
		time.AfterFunc(time.Duration(r.dice.Int64N(int64(5*time.Millisecond))), cancel)
	}
	batch, err := r.feed.Next(ctx)
	switch {
	case err != nil && killed:
		r.die()
	case errors.Is(err, context.DeadlineExceeded):
	case err != nil:
		r.Errorf("reader %d: %v", r.number, err)
	case killed: // in the middle of a batch: what it has applied of it is gone with it, or is not
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

// resume begins again from the bytes of the cursor, by Since and then a feed, or by a feed alone;
// false if it could not.
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

// take is a bookmark: the copy is whole.
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

// apply holds each change to the chain and puts it into the copies. One that a list contains
// already is none for it. Of a batch that a kill cuts off nothing is remembered but in the copy of
// a client that keeps it: it is told again.
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
		var told link
		if err := json.Unmarshal(c.Doc.Data, &told); err != nil || told.C == 0 {
			r.Errorf("reader %d: %s is no link of a chain", r.number, c.Doc.Data)
		}
		if last := r.seen[c.Ref.ID]; !cut && !told.after(last) {
			r.Errorf("reader %d: %s: got %v after %v", r.number, c.Ref, told, last)
		} else if !cut {
			r.seen[c.Ref.ID] = told
		}
		r.copy[c.Ref.ID] = *c.Doc
	}
}

// joinAll holds every list, joined with what was told after it, to the final state.
func (r *chainReader) joinAll(want map[string]protocol.Document) {
	for i, l := range r.lists {
		if !reflect.DeepEqual(want, l.copy) {
			r.Errorf("reader %d: list %d joined with the feed is %v; it should be %v", r.number, i, maps.Clone(l.copy), want)
		}
	}
}
