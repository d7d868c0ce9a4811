package postgres

import (
	"context"
	"time"

	"github.com/secondgate/secondgate/backends"
)

// Unguarded has the guard look no more.
func (b *Backend) Unguarded() { b.unguarded.Store(true) }

// Clean is the maintenance of a given time.
func (b *Backend) Clean(ctx context.Context, now time.Time) error { return b.clean(ctx, now) }

// SearchFirst searches for the upserts of a transaction, and returns how to carry it out.
func (b *Backend) SearchFirst(
	ctx context.Context, tx *backends.Tx,
) (write func() backends.Outcome, err error) {
	searches, err := b.searchFor(ctx, tx)
	return func() (out backends.Outcome) {
		if err := b.writeOnce(ctx, &transaction{tx: tx, searches: searches}, &out); err != nil {
			out.Err = err
		}
		return out
	}, err
}

// UpsertReads are what transactions with upserts read while they hold locks, with parameters.
func (b *Backend) UpsertReads() map[string]string {
	return map[string]string{
		b.sql(candidatesSQL): `('w', 'app', 'notes', '{"n":1}')`,
		b.sql(lookUpSQL):     `('{w}', '{app}', '{notes}', '{"{\"n\":1}"}')`,
		b.sql(recentSQL):     `('w', 'app', 'notes', '{"n":1}')`,
		b.sql(followSQL):     `('1000', '{900}', 'w', 'app', 'notes', '{"n":1}')`,
		b.sql(lockSQL):       `('w', 'app', '{notes}', '{x}')`,
	}
}

// PageReads are the two parts of a later page, with parameters.
func (b *Backend) PageReads() map[string]string {
	return map[string]string{
		b.sql(listSQL + sameTimeSQL + orderedSQL): `('w', 'app', 'notes', now(), 'd7')`,
		b.sql(listSQL + earlierSQL + orderedSQL):  `('w', 'app', 'notes', now())`,
	}
}

// UpsertSettings are those of their transactions.
const UpsertSettings = upsertSettings
