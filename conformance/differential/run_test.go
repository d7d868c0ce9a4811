package differential_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/secondgate/secondgate/backends"
)

// patience is how long one request may take on any database.
const patience = 2 * time.Minute

// request is one thing that is asked of every side.
type request interface {
	fmt.Stringer
	// ask has one side do it; the answer is everything that must be the same on all.
	ask(ctx context.Context, s *side) (answer string)
	// expect is the answer that follows from what has been written; ok is false where only the
	// sides can know.
	expect(k *known) (answer string, ok bool)
}

// run is one history on several sides.
type run struct {
	seed   uint64
	sides  []*side
	author *author
	known  *known
	number int // of the step
	did    tally
}

func newRun(t *testing.T, seed uint64, all []database) *run {
	t.Helper()
	r := &run{seed: seed, known: newKnown(), did: tally{}}
	r.author = newAuthor(seed, r.known)
	for _, d := range all {
		r.sides = append(r.sides, newSide(t, d.name, d.harness.Open(t), r.known))
	}
	return r
}

// play goes on until there have been so many writes, and then looks at everything once more.
func (r *run) play(writes int) error {
	for r.did["writes"] < writes {
		if err := r.step(r.author.request()); err != nil {
			return err
		}
	}
	for _, q := range r.author.epilogue() {
		if err := r.step(q); err != nil {
			return err
		}
	}
	return nil
}

// step asks one request of all sides.
func (r *run) step(q request) error {
	r.number++
	answers := r.ask(q)
	want, from := answers[0], r.sides[0].name
	if expected, ok := q.expect(r.known); ok {
		want, from = expected, "what was written"
	}
	for i, got := range answers {
		if got != want {
			return fmt.Errorf(
				"seed %d, step %d: %s and %s differ\nasked: %s\n%s: %s\n%s: %s\nagain: SECONDGATE_DIFFERENTIAL_SEED=%d make differential",
				r.seed, r.number, r.sides[i].name, from, clip(q.String(), 0), r.sides[i].name,
				clip(got, parting(got, want)), from, clip(want, parting(got, want)), r.seed,
			)
		}
	}
	r.did.count(q, answers[0])
	switch q := q.(type) {
	case writing:
		r.author.learn(q.txs, r.sides[0].outs)
	case settling:
		r.known.settled()
	}
	return nil
}

// ask has every side answer, all at once: they have nothing to do with each other.
func (r *run) ask(q request) []string {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	answers := make([]string, len(r.sides))
	var group sync.WaitGroup
	for i, s := range r.sides {
		group.Go(func() { answers[i] = q.ask(ctx, s) })
	}
	group.Wait()
	return answers
}

// writing is one call of Write.
type writing struct{ txs []backends.Tx }

func (w writing) String() string { return "write " + sayTxs(w.txs) }

func (w writing) expect(*known) (string, bool) { return "", false }

func (w writing) ask(ctx context.Context, s *side) string {
	s.outs = s.backend.Write(ctx, w.txs)
	s.wrote(s.outs)
	return sayOutcomes(s.outs)
}
