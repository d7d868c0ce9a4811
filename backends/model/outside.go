package model

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/protocol"
)

// errRolledBack ends the transaction of an outside writer that shall not commit.
var errRolledBack = errors.New("rolled back")

// OutsideTx is a transaction of a program that is no gateway. It writes rows with any text as data,
// without an actor and without mutations.
type OutsideTx struct{ t *transaction }

// Outside runs steps in a transaction of an outside writer, and commits it or rolls it back. As in
// SQL, an update or delete of a row that does not exist does nothing, and an insert of one that
// exists fails. Such writes are not answered, so reads without a bound may miss them for any time.
// steps may run several times.
func (b *Backend) Outside(ctx context.Context, commit bool, steps func(OutsideTx) error) error {
	return b.call(ctx, func(ctx context.Context) error {
		_, err := b.store.transact(ctx, func(t *transaction) error {
			if err := steps(OutsideTx{t}); err != nil || commit {
				return err
			}
			return errRolledBack
		})
		if err == errRolledBack {
			return nil
		}
		return err
	})
}

// Insert adds a row.
func (x OutsideTx) Insert(r protocol.Ref, data string) error {
	old, err := x.row(r)
	if err == nil && old != nil {
		err = fmt.Errorf("outside: %s exists", r)
	}
	if err != nil {
		return err
	}
	now := x.t.options.Now()
	x.put(r, backends.Insert, data, now, now)
	return nil
}

// Replace adds a row in place of the one that exists.
func (x OutsideTx) Replace(r protocol.Ref, data string) error {
	if _, err := x.row(r); err != nil {
		return err
	}
	now := x.t.options.Now()
	x.put(r, backends.Insert, data, now, now)
	return nil
}

// Update changes a row's data. The dice decide whether a trigger stamps the row's time: databases
// differ.
func (x OutsideTx) Update(r protocol.Ref, data string) error {
	old, err := x.row(r)
	if err != nil || old == nil {
		return err
	}
	updated := old.updated
	if x.t.dice.chance(500) {
		updated = x.t.options.Now()
	}
	x.put(r, backends.Update, data, old.created, updated)
	return nil
}

// Delete removes a row.
func (x OutsideTx) Delete(r protocol.Ref) error {
	old, err := x.row(r)
	if err != nil || old == nil {
		return err
	}
	x.t.put(&version{ref: r, op: backends.Delete, gone: true})
	return nil
}

// Move changes a row's key.
func (x OutsideTx) Move(r, to protocol.Ref) error {
	old, err := x.row(r)
	if err != nil || old == nil {
		return err
	}
	if taken, err := x.row(to); err != nil || taken != nil {
		return errors.Join(err, fmt.Errorf("outside: %s exists", to))
	}
	x.t.put(&version{ref: r, op: backends.Delete, gone: true})
	x.put(to, backends.Insert, old.raw, old.created, old.updated)
	return nil
}

// row locks and returns a row, nil if there is none.
func (x OutsideTx) row(r protocol.Ref) (*version, error) {
	if err := x.t.lock(r); err != nil {
		return nil, err
	}
	if v := x.t.current(r); v != nil && !v.gone {
		return v, nil
	}
	return nil, nil
}

func (x OutsideTx) put(r protocol.Ref, op backends.Op, data string, created, updated time.Time) {
	doc := visibleDocument(r.ID, data, created, updated)
	x.t.put(&version{ref: r, op: op, raw: data, created: created, updated: updated, doc: doc})
}

// visibleDocument is the document that readers get for a row, nil if the JSON rules refuse its
// data.
func visibleDocument(id, data string, created, updated time.Time) *protocol.Document {
	canonical, err := protocol.Canonical([]byte(data))
	if err != nil {
		return nil
	}
	return protocol.NewDocument(id, protocol.Visible(canonical), created, updated)
}
