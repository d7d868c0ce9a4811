package conformance

import (
	"bytes"
	"fmt"
	"maps"
	"slices"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/protocol"
)

// state is what a scope holds, by collection and id.
type state map[string]map[string]protocol.Document

// copied is a state that may be changed.
func copied(from map[string]map[string]protocol.Document) state {
	s := state{}
	for collection, docs := range from {
		s[collection] = maps.Clone(docs)
	}
	return s
}

// apply makes the state what a change says: "is now this", or "is gone".
func (s state) apply(c backends.Change) {
	if c.Doc == nil {
		delete(s[c.Ref.Collection], c.Ref.ID)
		return
	}
	if s[c.Ref.Collection] == nil {
		s[c.Ref.Collection] = map[string]protocol.Document{}
	}
	s[c.Ref.Collection][c.Ref.ID] = *c.Doc
}

func (s state) applyAll(scope protocol.Scope, changes []backends.Change) state {
	for _, c := range changes {
		if c.Ref.Scope == scope {
			s.apply(c)
		}
	}
	return s
}

// diff explains the first document in which two states differ; "" if there is none.
func diff(got, want map[string]map[string]protocol.Document) string {
	for _, collection := range sortedKeys(got, want) {
		for _, id := range sortedKeys(got[collection], want[collection]) {
			g, w := pick(got[collection], id), pick(want[collection], id)
			if !equal(g, w) {
				return fmt.Sprintf("%s/%s: got %s want %s", collection, id, show(g), show(w))
			}
		}
	}
	return ""
}

func sortedKeys[V any](a, b map[string]V) []string {
	keys := slices.AppendSeq(slices.Collect(maps.Keys(a)), maps.Keys(b))
	slices.Sort(keys)
	return slices.Compact(keys)
}

func pick(docs map[string]protocol.Document, id string) *protocol.Document {
	if d, ok := docs[id]; ok {
		return &d
	}
	return nil
}

func equal(a, b *protocol.Document) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.ID == b.ID && bytes.Equal(a.Data, b.Data) && a.Created.Equal(b.Created) &&
		a.Updated.Equal(b.Updated) &&
		a.Rev == b.Rev
}

// show prints a document as clients see it, cut short.
func show(d *protocol.Document) string {
	if d == nil {
		return "no document"
	}
	text := d.Append(nil)
	if len(text) > 400 {
		return string(text[:400]) + "…"
	}
	return string(text)
}

// wellFormed explains what is wrong with a document as such: "" if its fingerprint, times and data
// are right.
func wellFormed(d *protocol.Document) string {
	whole := protocol.NewDocument(d.ID, d.Data, d.Created, d.Updated)
	canonical, err := protocol.Canonical(d.Data)
	switch {
	case err != nil || !bytes.Equal(canonical, d.Data):
		return "its data is not canonical"
	case !bytes.Equal(protocol.Visible(d.Data), d.Data):
		return "its data has reserved names"
	case !d.Created.Equal(whole.Created) || !d.Updated.Equal(whole.Updated):
		return "its times are not cut to milliseconds"
	case d.Rev != whole.Rev:
		return "its rev is not its fingerprint"
	}
	return ""
}
