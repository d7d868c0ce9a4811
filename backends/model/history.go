package model

import (
	"maps"
	"slices"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/protocol"
)

// Forget drops the history up to now, as retention does. Cursors from before expire.
func (b *Backend) Forget() {
	s := b.store
	s.mu.Lock()
	defer s.mu.Unlock()
	s.floor = s.snapshots[s.newest()]
	for x := range s.log {
		if s.floor.visible(x) {
			delete(s.log, x)
		}
	}
}

// At returns the documents of a scope at a cursor, by collection and id. It is exact whatever
// history was dropped: it reads the documents' versions, not the log that feeds read.
func (b *Backend) At(s protocol.Scope, c backends.Cursor) map[string]map[string]protocol.Document {
	b.store.mu.Lock()
	defer b.store.mu.Unlock()
	at := c.(cursor).at
	state := map[string]map[string]protocol.Document{}
	for name, collection := range b.store.tables[s] {
		for _, d := range documents(collection, at) {
			if state[name] == nil {
				state[name] = map[string]protocol.Document{}
			}
			state[name][d.ID] = d
		}
	}
	return state
}

// Backup copies what is committed. restore opens the copy: a database with the same epoch that goes
// on with the same numbers, as a restored file does.
func (b *Backend) Backup() (restore func() *Backend) {
	b.store.mu.Lock()
	defer b.store.mu.Unlock()
	backup := b.store.clone()
	return func() *Backend { return open(backup.clone()) }
}

// clone copies the store without its open transactions. The caller holds the lock.
func (s *store) clone() *store {
	c := &store{
		options: s.options, epoch: s.epoch, dice: newDice(s.options.Seed + s.seq + 1), changed: make(chan struct{}),
		next: s.next, seq: s.seq, open: map[xid]struct{}{}, locks: map[any]xid{},
		tables: tables{}, log: map[xid][]*version{}, snapshots: slices.Clone(s.snapshots),
		marks: maps.Clone(s.marks),
		mark:  s.mark, floor: s.floor, mutations: maps.Clone(s.mutations), ledger: maps.Clone(s.ledger),
	}
	for scope, collections := range s.tables {
		c.tables[scope] = map[string]map[string][]*version{}
		for name, documents := range collections {
			c.tables[scope][name] = map[string][]*version{}
			for id, versions := range documents {
				c.tables[scope][name][id] = slices.Clone(versions)
			}
		}
	}
	for x, versions := range s.log {
		c.log[x] = slices.Clone(versions)
	}
	c.record()
	c.acked = c.newest()
	return c
}
