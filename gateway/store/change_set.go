package store

import (
	"context"
	"encoding/json"
	"time"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/gateway/access"
	"github.com/secondgate/secondgate/protocol"
)

// A change set is the writes that belong together: of one call of an agent, or of one run. For each write
// the ledger keeps, in the write's own transaction, what the document was before. That is what undo needs.

// The kinds of the ledger's entries: what a write found, and the data of a long document by itself, so
// that reading a change set does not read its documents.
const (
	changeSetKind = "before"
	beforeData    = "before-data"
)

// DefaultUndoTime is how long change sets can be undone unless the operator says otherwise.
const DefaultUndoTime = 24 * time.Hour

// maxBefore bounds the data that is kept of one document, in bytes: databases bound an entry to 16 MiB.
// Data over inlineBefore is kept in an entry of its own.
const maxBefore, inlineBefore = 15 << 20, 16 << 10

// before is what one write found.
type before struct {
	Collection string `json:"collection"`
	ID         string `json:"id"`
	// Data is the document's before the write; null if there was none.
	Data json.RawMessage `json:"data"`
	// Was and Is are the document's revisions before and after the write, empty where there is none.
	Was string `json:"was"`
	Is  string `json:"is"`
	// Bytes is how long the document was. Data is elsewhere if it is over inlineBefore, and nowhere if it is
	// over maxBefore.
	Bytes int    `json:"bytes"`
	Agent string `json:"agent"` // empty if it was a person
}

func changeSetPrefix(s protocol.Scope, set string) string { return s.String() + "/" + set + "/" }

// authorOf is who makes a principal's changes, and in which change set.
func authorOf(p access.Principal) backends.Actor {
	by := p.Actor
	by.Run = p.ChangeSet
	return by
}

// changeSetEntries makes the entries of a transaction's writes, behind those of others.
func (s *Store) changeSetEntries(
	p access.Principal, tx *backends.Tx, others func([]backends.Change) []backends.Entry,
) func([]backends.Change) []backends.Entry {
	if p.ChangeSet == "" {
		return others
	}
	keys := make([]string, len(tx.Writes))
	for i := range keys {
		keys[i] = changeSetPrefix(tx.Scope, p.ChangeSet) + protocol.NewID(tx.At)
	}
	at, agent := tx.At, ""
	if p.Actor.Kind == "agent" {
		agent = p.Actor.ID
	}
	return func(changes []backends.Change) (entries []backends.Entry) {
		if others != nil {
			entries = others(changes)
		}
		for i := range changes {
			e := backends.Entry{Kind: changeSetKind, Key: keys[i], At: at, Expires: at.Add(s.undoTime)}
			e.Body = beforeOf(&changes[i], agent)
			entries = append(entries, e)
			if c := &changes[i]; c.Before != nil && len(c.Before.Data) > inlineBefore &&
				len(c.Before.Data) <= maxBefore {
				e.Kind, e.Body = beforeData, c.Before.Data
				entries = append(entries, e)
			}
		}
		return entries
	}
}

func beforeOf(c *backends.Change, agent string) []byte {
	b := before{Collection: c.Ref.Collection, ID: c.Ref.ID, Agent: agent, Data: json.RawMessage("null")}
	if c.Doc != nil {
		b.Is = c.Doc.Rev
	}
	if c.Before != nil {
		b.Was, b.Bytes = c.Before.Rev, len(c.Before.Data)
		if b.Bytes <= inlineBefore {
			b.Data = c.Before.Data
		}
	}
	body, _ := json.Marshal(b) // cannot fail
	return body
}

// dataBefore is the data of the document that the write of an entry found.
func (s *Store) dataBefore(ctx context.Context, key string) ([]byte, error) {
	body, err := s.entry(ctx, changeSetKind, key)
	if err != nil {
		return nil, err
	}
	var b before
	if err := json.Unmarshal(body, &b); err != nil {
		return nil, err
	}
	if b.Bytes <= inlineBefore {
		return b.Data, nil
	}
	return s.entry(ctx, beforeData, key)
}

// entry is an entry of a change set, which may have expired meanwhile.
func (s *Store) entry(ctx context.Context, kind, key string) ([]byte, error) {
	found, err := s.backend.Find(ctx, kind, key, "", 1)
	switch {
	case err != nil:
		return nil, err
	case len(found) == 0 || found[0].Key != key:
		return nil, errNoChangeSet
	}
	return found[0].Body, nil
}

// changeSet reads what a change set did, by document.
func (s *Store) changeSet(
	ctx context.Context, p access.Principal, scope protocol.Scope, set string,
) (all []*undoing, refused *protocol.Error) {
	prefix, after := changeSetPrefix(scope, set), ""
	byRef := map[protocol.Ref]*undoing{}
	for {
		entries, err := s.backend.Find(ctx, changeSetKind, prefix, after, undoPage)
		if err != nil {
			return nil, s.Failure(&protocol.Request{}, err)
		}
		for _, e := range entries {
			after = e.Key
			var b before
			if err := json.Unmarshal(e.Body, &b); err != nil {
				return nil, s.Failure(&protocol.Request{}, err)
			}
			if p.Agent != nil && b.Agent != p.Actor.ID {
				return nil, errNoChangeSet
			}
			ref := protocol.Ref{Scope: scope, Collection: b.Collection, ID: b.ID}
			u := byRef[ref]
			if u == nil {
				u = &undoing{ref: ref, steps: map[string]*step{}}
				byRef[ref], all = u, append(all, u)
			}
			if u.add(e.Key, &b); len(all) > maxUndo {
				return nil, protocol.Errorf(protocol.CodeTooLarge,
					"the change set has over %d documents, which is more than can be undone", maxUndo)
			}
		}
		if len(entries) < undoPage {
			return all, findEnds(all)
		}
	}
}

// findEnds has all documents know what they were before the set, and after it.
func findEnds(all []*undoing) *protocol.Error {
	for _, u := range all {
		u.findEnds()
		if u.bytes > maxBefore {
			return protocol.Errorf(
				protocol.CodeTooLarge,
				"%s/%s was %d bytes, and undo keeps documents of %d",
				u.ref.Collection,
				u.ref.ID,
				u.bytes,
				maxBefore,
			)
		}
	}
	return nil
}

var errNoChangeSet = protocol.Errorf(protocol.CodeNotFound,
	"there is no such change set here: it is of another app or agent, or too old")
