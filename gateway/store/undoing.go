package store

import (
	"github.com/secondgate/secondgate/gateway/access"
	"github.com/secondgate/secondgate/protocol"
)

// undoing is what undo has to do to one document.
type undoing struct {
	ref protocol.Ref
	// steps are the revisions between which the set's writes lead: of a chain without a gap only its ends
	// are left. Entries come in the order of their keys, which need not be that of their commits.
	steps map[string]*step

	// What findEnds finds.
	first   string // key of the entry with the document as it was before the set
	was, is string // its revisions before the set, and after it; empty: there is none
	bytes   int    // of what it was
	// between: somebody else has changed it between two writes of the set.
	between bool
}

// step is a revision that writes of the set began or ended with.
type step struct {
	begins int    // how many writes began with it, less those that ended with it
	key    string // of the entry that began with it
	bytes  int    // of the document then
}

// maxSteps bounds what is kept of a document that others have changed again and again.
const maxSteps = 100

func (u *undoing) add(key string, b *before) {
	if len(u.steps) > maxSteps {
		u.between = true
		return
	}
	from := u.step(b.Was)
	from.begins++
	from.key, from.bytes = key, b.Bytes
	u.step(b.Is).begins--
	for _, rev := range []string{b.Was, b.Is} {
		if s := u.steps[rev]; s != nil && s.begins == 0 {
			delete(u.steps, rev)
		}
	}
}

func (u *undoing) step(rev string) *step {
	s := u.steps[rev]
	if s == nil {
		s = &step{}
		u.steps[rev] = s
	}
	return s
}

// findEnds finds the ends of the chain. Without any, the document was made and deleted within the set.
func (u *undoing) findEnds() {
	u.between = u.between || len(u.steps) > 2
	for rev, s := range u.steps {
		switch {
		case s.begins > 1 || s.begins < -1:
			u.between = true
		case s.begins == 1:
			u.was, u.first, u.bytes = rev, s.key, s.bytes
		default:
			u.is = rev
		}
	}
	u.steps = nil
}

// operation is what undoing does to the document; empty: nothing.
func (u *undoing) operation() access.Operation {
	switch {
	case u.was == "" && u.is == "": // made and deleted within the set
		return ""
	case u.was == "":
		return access.OpDelete
	case u.is == "":
		return access.OpInsert
	}
	return access.OpUpdate
}
