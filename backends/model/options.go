package model

import (
	"math/rand/v2"
	"time"
)

// Options tune the dice. The zero value is the hardest sensible database.
//
// Each chance is in thousandths. Zero means the default, and a negative one never.
type Options struct {
	// Seed makes the dice repeat, as far as the scheduling of goroutines allows. The marks that
	// tell two histories apart are not seeded: they must not repeat.
	Seed uint64
	// Now is the clock of outside writers and of expiry (nil: time.Now).
	Now func() time.Time
	// Lag is the chance that a read does not take the newest snapshot.
	Lag int
	// Hold is the chance that a transaction stays open for up to MaxHold before it commits.
	Hold    int
	MaxHold time.Duration
	// Retry is the chance that a transaction is rolled back and runs again, as the victim of a
	// deadlock does.
	Retry int
	// Collapse is the chance that a batch leaves replaced states out, Mix that it mixes the order
	// of documents.
	Collapse, Mix int
	// PreImage is the chance that a delete makes its scope lost.
	PreImage int
	// Break is the chance that a call of Feed.Next finds the feed broken.
	Break int
}

func (o Options) withDefaults() Options {
	if o.Now == nil {
		o.Now = time.Now
	}
	set := func(chance *int, to int) {
		if *chance == 0 {
			*chance = to
		}
	}
	set(&o.Lag, 700)
	set(&o.Hold, 400)
	set(&o.Retry, 50)
	set(&o.Collapse, 300)
	set(&o.Mix, 300)
	set(&o.PreImage, 2)
	set(&o.Break, 4)
	if o.MaxHold == 0 {
		o.MaxHold = 500 * time.Microsecond
	}
	return o
}

// dice is used under the store's lock.
type dice struct{ *rand.Rand }

func newDice(seed uint64) dice { return dice{rand.New(rand.NewPCG(seed, 0x5ec0d6a7e))} }

// chance is true with a probability in thousandths.
func (d dice) chance(thousandths int) bool { return d.IntN(1000) < thousandths }

// between returns a number from low to high, both included.
func (d dice) between(low, high int) int { return low + d.IntN(high-low+1) }
