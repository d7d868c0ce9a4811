package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/protocol"
)

func clock() time.Time { return time.Now() }

// benchUpserts writes 10,000 documents of new keys into a collection of 10,000: by insert, and by
// upsert on one field.
func benchUpserts(p *plan) error {
	ctx := context.Background()
	var inserts, upserts series
	fresh := p.overSQLite().fresh
	err := p.interleave(
		func() error { return p.tenThousand(ctx, &inserts, fresh, insertKey) },
		func() error { return p.tenThousand(ctx, &upserts, fresh, upsertKey) },
	)
	if err != nil {
		return err
	}
	fmt.Printf("%d documents of new keys into a collection of %d, SQLite   seconds\n", listed, listed)
	fmt.Printf("  %-56s %s\n  %-56s %s\n", "inserts", inserts, "upserts by one field", upserts)
	goal("upserts / inserts", upserts.over(inserts), true, 3)
	return nil
}

func insertKey(n int64, now time.Time) backends.Write {
	return backends.Write{
		Op: backends.Insert, Collection: "c", ID: protocol.NewID(now),
		Data: []byte(document(n)),
	}
}

func upsertKey(n int64, now time.Time) backends.Write {
	filter, _ := protocol.ParseFilter(fmt.Appendf(nil, `{"key":"k%d"}`, n), false) // a plain string: cannot fail
	return backends.Write{
		Op: backends.Upsert, Collection: "c", NewID: protocol.NewID(now), Filter: &filter,
		Data: []byte(document(n)),
	}
}

func (p *plan) tenThousand(
	ctx context.Context, s *series, open func(context.Context) (backends.Backend, error),
	write func(int64, time.Time) backends.Write,
) error {
	b, err := open(ctx)
	if err != nil {
		return err
	}
	if err := fillCollection(ctx, b, "c", listed); err != nil {
		return errors.Join(err, b.Close())
	}
	var (
		callers sync.WaitGroup
		left    atomic.Int64
		failed  atomic.Value
	)
	left.Store(listed)
	begin := time.Now()
	for range p.callers {
		callers.Go(func() {
			for left.Add(-1) >= 0 {
				now := protocol.Millis(clock())
				o, err := backends.WriteOne(
					ctx, b, backends.Tx{Scope: scope, At: now, Writes: []backends.Write{write(serial.Add(1), now)}},
				)
				if err == nil && o.Changes[0].Op != backends.Insert {
					err = errors.New("a new key found an old document")
				}
				if err != nil {
					failed.Store(err)
					return
				}
			}
		})
	}
	callers.Wait()
	*s = append(*s, time.Since(begin).Seconds())
	err, _ = failed.Load().(error)
	return errors.Join(err, b.Close())
}
