package hub

import (
	"github.com/secondgate/secondgate/backends"
)

// MaxFollowed bounds the collections and documents that one connection may subscribe to.
const MaxFollowed = 10_000

// interest is what of its scope a subscription wants.
//
// Changes that an answer contains already are sent all the same, as the protocol allows until the
// next bookmark. One connection may serve several copies, such as a bridge with two frames, and
// only one of them has that answer.
type interest struct {
	all bool
	// floor covers changes that the client had when it resumed.
	floor backends.Cursor
	// parts is what a client follows by subscribe, by collection. count is how many collections and
	// documents.
	parts map[string]*part
	count int
}

// part is what is followed of one collection.
type part struct {
	whole bool
	docs  map[string]bool
}

// Listen follows a collection, or with an id one document of it, from the next Take on.
func (s *Subscription) Listen(collection, id string) {
	s.interest.add(collection, id)
	s.listening.Store(true)
}

// Unlisten ends what Listen began.
func (s *Subscription) Unlisten(collection, id string) {
	s.interest.remove(collection, id)
	s.listening.Store(s.interest.any())
}

// FollowsAll reports whether the whole scope is followed. Any goroutine may call it.
func (s *Subscription) FollowsAll() bool { return s.interest.all }

// Followed is how many collections and documents are listened to.
func (s *Subscription) Followed() int { return s.interest.count }

// Follows reports whether a document's changes are followed.
func (s *Subscription) Follows(collection, id string) bool {
	return s.interest.follows(collection, id)
}

// any reports whether anything is followed.
func (i *interest) any() bool { return i.all || i.count > 0 }

// wants reports whether a change goes to the client.
func (i *interest) wants(c *backends.Change) bool {
	if i.floor != nil && i.floor.Covers(*c) {
		return false
	}
	return i.all || i.follows(c.Ref.Collection, c.Ref.ID)
}

func (i *interest) follows(collection, id string) bool {
	if i.all {
		return true
	}
	p := i.parts[collection]
	return p != nil && (p.whole || p.docs[id])
}

// add follows a collection, or with an id one document of it.
func (i *interest) add(collection, id string) {
	if i.parts == nil {
		i.parts = map[string]*part{}
	}
	p := i.parts[collection]
	if p == nil {
		p = &part{docs: map[string]bool{}}
		i.parts[collection] = p
	}
	if p.has(id) {
		return
	}
	i.count++
	if id == "" {
		p.whole = true
		return
	}
	p.docs[id] = true
}

// has reports whether add has been called for exactly that.
func (p *part) has(id string) bool { return id == "" && p.whole || id != "" && p.docs[id] }

// remove ends what add began.
func (i *interest) remove(collection, id string) {
	p := i.parts[collection]
	if p == nil || !p.has(id) {
		return
	}
	i.count--
	if id == "" {
		p.whole = false
	} else {
		delete(p.docs, id)
	}
	if !p.whole && len(p.docs) == 0 {
		delete(i.parts, collection)
	}
}

// passed drops the floor once the log has been taken up to a snapshot that has reached it: what the
// log has from there on is newer, and a level subscription filters nothing. That the client has got
// there says nothing: a catch-up may be ahead of the log.
func (i *interest) passed(c backends.Cursor) {
	if i.floor != nil && c.Reached(i.floor) {
		i.floor = nil
	}
}
