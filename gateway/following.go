package gateway

import (
	"github.com/secondgate/secondgate/backends"
)

// following is what of its scope a subscription wants.
//
// Changes that an answer contains already are sent all the same, as the protocol allows until the next bookmark:
// one connection may serve several copies (a bridge with two frames), and only one of them has that answer.
type following struct {
	all bool
	// floor covers changes that the client had when it resumed.
	floor backends.Cursor
	// parts is what a client follows by subscribe, by collection; count is how many collections and documents.
	parts map[string]*part
	count int
}

// maxFollowed bounds what one connection may subscribe to; beyond it, subscribe is refused.
const maxFollowed = 10_000

// part is what is followed of one collection.
type part struct {
	whole bool
	docs  map[string]bool
}

// any tells whether anything is followed.
func (f *following) any() bool { return f.all || f.count > 0 }

// wants tells whether a change goes to the client.
func (f *following) wants(c *backends.Change) bool {
	if f.floor != nil && f.floor.Covers(*c) {
		return false
	}
	return f.all || f.follows(c.Ref.Collection, c.Ref.ID)
}

// follows tells whether a document's changes are followed.
func (f *following) follows(collection, id string) bool {
	if f.all {
		return true
	}
	p := f.parts[collection]
	return p != nil && (p.whole || p.docs[id])
}

// add follows a collection, or with an id one document of it.
func (f *following) add(collection, id string) {
	if f.parts == nil {
		f.parts = map[string]*part{}
	}
	p := f.parts[collection]
	if p == nil {
		p = &part{docs: map[string]bool{}}
		f.parts[collection] = p
	}
	if p.follows(id) {
		return
	}
	f.count++
	if id == "" {
		p.whole = true
		return
	}
	p.docs[id] = true
}

// follows tells whether add has been called for exactly that.
func (p *part) follows(id string) bool { return id == "" && p.whole || id != "" && p.docs[id] }

// remove ends what add began.
func (f *following) remove(collection, id string) {
	p := f.parts[collection]
	if p == nil || !p.follows(id) {
		return
	}
	f.count--
	if id == "" {
		p.whole = false
	} else {
		delete(p.docs, id)
	}
	if !p.whole && len(p.docs) == 0 {
		delete(f.parts, collection)
	}
}

// reached drops the floor once the stream has passed it, so that a level subscription filters nothing.
func (f *following) reached(c backends.Cursor) {
	if f.floor != nil && c.Reached(f.floor) {
		f.floor = nil
	}
}
