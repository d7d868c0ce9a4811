package mongodb

import (
	"context"
	"errors"
	"time"
)

const (
	// maxCall is how many transactions of one call are handed on together, maxGroup how many a group holds, maxGroupBytes
	// how many bytes of data: what a transaction's events may weigh is bounded by the server.
	maxCall       = 128
	maxGroup      = 256
	maxGroupBytes = 4 << 20
	maxCalls      = 256
	// groupTime bounds one group, whatever its callers' times are.
	groupTime = 15 * time.Second
)

// lane carries out what waits, one group after the other, until b is closed, and then refuses it.
func (b *Backend) lane() {
	for {
		select {
		case c := <-b.calls:
			b.carryOut(b.group(c))
		case <-b.ctx.Done():
			b.refuse()
			return
		}
	}
}

// group takes what waits, without waiting. Calls whose callers have gone are dropped.
func (b *Backend) group(c *call) (calls []*call) {
	for n, size := 0, 0; ; {
		if err := c.ctx.Err(); err != nil {
			c.fail(err)
		} else {
			calls = append(calls, c)
			n += len(c.txs)
			size += c.size()
		}
		if n >= maxGroup || size >= maxGroupBytes {
			return calls
		}
		select {
		case c = <-b.calls:
		default:
			return calls
		}
	}
}

func (c *call) size() (n int) {
	for i := range c.txs {
		for j := range c.txs[i].Writes {
			n += len(c.txs[i].Writes[j].Data)
		}
	}
	return n
}

func (b *Backend) refuse() {
	for {
		select {
		case c := <-b.calls:
			c.fail(errClosed)
		default:
			return
		}
	}
}

// carryOut does a group as one transaction of the database; where that fails, one call after the other.
func (b *Backend) carryOut(calls []*call) {
	if len(calls) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(b.ctx, groupTime)
	defer cancel()
	n := 0
	for _, c := range calls {
		n += len(c.txs)
	}
	defer func() { b.options.Committed(n, int(b.waiting.Load())) }()
	if len(calls) == 1 && b.alone(ctx, calls[0]) {
		close(calls[0].finished)
		return
	}
	tries := groupTries
	if len(calls) == 1 {
		tries = maxTries
	}
	err := b.transact(ctx, calls, tries)
	for _, c := range calls {
		if err != nil && len(calls) > 1 && ctx.Err() == nil && !errors.Is(err, errUnknown) {
			err := b.transact(ctx, []*call{c}, maxTries)
			c.fail(err)
			continue
		}
		c.fail(err)
	}
}
