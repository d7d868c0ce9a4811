package model

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/protocol"
)

// errRolledBack is how a stranger's transaction ends that is not meant to commit.
var errRolledBack = errors.New("rolled back")

// Stranger is a transaction of somebody who is no gateway: raw rows, any text for data, no memory, no actor.
type Stranger struct{ t *transaction }

// Outside runs steps in a stranger's transaction, and commits it or rolls it back. As in SQL, changing a row
// that is not there does nothing and inserting one that is there fails. Nothing acknowledges such writes,
// so reads without a bound may miss them for as long as they like. steps may run several times.
func (b *Backend) Outside(ctx context.Context, commit bool, steps func(Stranger) error) error {
	inner, leave, err := b.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	_, err = b.store.transact(inner, func(t *transaction) error {
		if err := steps(Stranger{t}); err != nil || commit {
			return err
		}
		return errRolledBack
	})
	if err == errRolledBack {
		return nil
	}
	return err
}

// Insert adds a row.
func (x Stranger) Insert(r protocol.Ref, data string) error {
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

// Replace adds a row in place of the one that is there.
func (x Stranger) Replace(r protocol.Ref, data string) error {
	if _, err := x.row(r); err != nil {
		return err
	}
	now := x.t.options.Now()
	x.put(r, backends.Insert, data, now, now)
	return nil
}

// Update changes a row's data. Its time is stamped by a trigger, or is left as it was: databases differ.
func (x Stranger) Update(r protocol.Ref, data string) error {
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
func (x Stranger) Delete(r protocol.Ref) error {
	old, err := x.row(r)
	if err != nil || old == nil {
		return err
	}
	x.t.put(&version{ref: r, op: backends.Delete, gone: true})
	return nil
}

// Move changes a row's key.
func (x Stranger) Move(r, to protocol.Ref) error {
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

// row is the row at r, locked; nil if there is none.
func (x Stranger) row(r protocol.Ref) (*version, error) {
	if err := x.t.lock(r); err != nil {
		return nil, err
	}
	if v := x.t.current(r); v != nil && !v.gone {
		return v, nil
	}
	return nil, nil
}

func (x Stranger) put(r protocol.Ref, op backends.Op, data string, created, updated time.Time) {
	x.t.put(&version{ref: r, op: op, raw: data, created: created, updated: updated, doc: served(r.ID, data, created, updated)})
}

// served is the document that readers get for a row: nil if its data breaks the rules of JSON.
func served(id, data string, created, updated time.Time) *protocol.Document {
	canonical, err := protocol.Canonical([]byte(data))
	if err != nil {
		return nil
	}
	return protocol.NewDocument(id, protocol.Visible(canonical), created, updated)
}
