package gateway

import (
	"github.com/secondgate/secondgate/backends"
)

// following is what of its scope a subscription wants, and what of that its client has already.
type following struct {
	all bool
	// floor covers changes that the client had when it resumed.
	floor backends.Cursor
	// parts is what a client follows by subscribe, or, with all, has listed since the last boundary.
	parts map[string]*part
}

// part is what is followed of one collection.
type part struct {
	whole bool
	docs  map[string]bool
	// floor covers changes that the answer to the last list or subscribe contained.
	floor backends.Cursor
}

// wants tells whether a change goes to the client.
func (f *following) wants(c *backends.Change) bool {
	if f.floor != nil && f.floor.Covers(*c) {
		return false
	}
	if len(f.parts) == 0 {
		return f.all
	}
	p := f.parts[c.Ref.Collection]
	if p == nil {
		return f.all
	}
	if !f.all && !p.whole && !p.docs[c.Ref.ID] {
		return false
	}
	return p.floor == nil || !p.floor.Covers(*c)
}

// follows tells whether a document's changes are followed at all.
func (f *following) follows(collection, id string) bool {
	if f.all {
		return true
	}
	p := f.parts[collection]
	return p != nil && (p.whole || p.docs[id])
}

func (f *following) part(collection string) *part {
	if f.parts == nil {
		f.parts = map[string]*part{}
	}
	p := f.parts[collection]
	if p == nil {
		p = &part{docs: map[string]bool{}}
		f.parts[collection] = p
	}
	return p
}

// listed notes that the client has the whole collection, or its first page, as of c. Changes before c would only
// take its copy back for a moment.
func (f *following) listed(collection string, c backends.Cursor) {
	if f.follows(collection, "") {
		f.part(collection).floor = c
	}
}

// add follows a collection, or with an id one document of it.
func (f *following) add(collection, id string) {
	p := f.part(collection)
	if id == "" {
		p.whole = true
		return
	}
	p.docs[id] = true
}

// remove ends what add began.
func (f *following) remove(collection, id string) {
	p := f.parts[collection]
	if p == nil {
		return
	}
	if id == "" {
		p.whole, p.floor = false, nil
	} else {
		delete(p.docs, id)
	}
	if !p.whole && len(p.docs) == 0 {
		delete(f.parts, collection)
	}
}

// reached drops floors that the stream has passed, so that a level subscription filters nothing.
func (f *following) reached(c backends.Cursor) {
	if f.floor != nil && c.Reached(f.floor) {
		f.floor = nil
	}
	for name, p := range f.parts {
		if p.floor == nil || !c.Reached(p.floor) {
			continue
		}
		p.floor = nil
		if f.all {
			delete(f.parts, name)
		}
	}
}

// void forgets what the client had: a reset has made it void.
func (f *following) void() {
	f.floor = nil
	if f.all {
		f.parts = nil
	}
	for _, p := range f.parts {
		p.floor = nil
	}
}
