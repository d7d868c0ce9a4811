package mongodb

import (
	"math/rand/v2"
	"time"

	"github.com/secondgate/secondgate/backends"
)

const (
	// maxConflicted is how many calls at once are carried out again because of a conflict. The others
	// wait, so that the worker has time for calls that conflict with nothing.
	maxConflicted = 8
	// asideTime is how long a call stays aside before it is carried out again, at most.
	asideTime = 500 * time.Millisecond
)

// carryOut queues a call and waits until the worker has finished it.
func (b *Backend) carryOut(c *call) error {
	c.outs, c.finished = make([]backends.Outcome, len(c.txs)), make(chan struct{})
	if err := b.calls.Put(c.ctx, c); err != nil {
		return err
	}
	return b.calls.Wait(c.ctx, c.finished)
}

// stepAside carries out a call again and again while it conflicts with a transaction that stays open:
// another program's, or that of a gateway that has died. Meanwhile it does not occupy the worker. A
// call whose caller has no more time has the conflict for an answer: nothing has happened.
func (b *Backend) stepAside(c *call) error {
	b.aside.Add(1)
	defer b.aside.Add(-1)
	begun := time.Now()
	for wait := 20 * time.Millisecond; retryable(c.err); wait = min(2*wait, asideTime) {
		select {
		case <-time.After(rand.N(wait)):
		case <-c.ctx.Done():
			return nil
		}
		if time.Since(begun) > leaseTime {
			begun = time.Now()
			if err := b.endExpired(c.ctx); err != nil {
				b.options.Log.Warn("sessions of gateways that are gone could not be ended", "error", err)
			}
		}
		select {
		case b.conflicts <- struct{}{}:
		case <-c.ctx.Done():
			return nil
		}
		err := b.carryOutAgain(c)
		<-b.conflicts
		if err != nil {
			return err
		}
	}
	return nil
}

func (b *Backend) carryOutAgain(c *call) error {
	again := &call{ctx: c.ctx, txs: c.txs, searches: c.searches, conflicted: true}
	err := b.carryOut(again)
	if err == nil {
		*c = *again
	}
	return err
}
