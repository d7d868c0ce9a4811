package hub

import (
	"sync"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/protocol"
)

// Change is a change on its way to followers. Each form of it is encoded at most once, for all of
// them.
type Change struct {
	backends.Change
	once    sync.Once
	frame   []byte
	byOnce  sync.Once
	frameBy []byte          // frame with its author
	events  [2]encodedEvent // without _rev and with it
}

type encodedEvent struct {
	once sync.Once
	text []byte
}

// JSON is the change as second:data:change.
func (c *Change) JSON() []byte {
	c.once.Do(func() {
		c.frame = protocol.AppendChange(nil, c.Ref.Collection, c.Op.String(), c.Ref.ID, c.Doc)
	})
	return c.frame
}

// JSONBy is JSON with the change's author. Without one it is JSON.
func (c *Change) JSONBy() []byte {
	c.byOnce.Do(func() {
		if c.frameBy = c.JSON(); c.By != (backends.Actor{}) {
			c.frameBy = protocol.AppendAuthor(nil, c.frameBy, protocol.Author(c.By))
		}
	})
	return c.frameBy
}

// Event is the change as an event of an event stream, whose document carries _rev or not. A merged
// change goes out as an insert and as an update: the client may have read a state in between, and
// then ignores an insert; or it lacks the document, and then ignores an update.
func (c *Change) Event(rev bool) []byte {
	e := &c.events[0]
	if rev {
		e = &c.events[1]
	}
	e.once.Do(func() {
		if c.Merged {
			e.text = protocol.AppendState(nil, c.Ref.Collection, c.Ref.ID, c.Doc, rev)
			return
		}
		e.text = protocol.AppendEvent(nil, c.Ref.Collection, c.Op.String(), c.Ref.ID, c.Doc, rev)
	})
	return e.text
}

// size is roughly what the change takes on the wire, in bytes.
func (c *Change) size() int {
	if c.Doc == nil {
		return changeOverhead
	}
	return changeOverhead + len(c.Doc.Data)
}

// changesOf wraps changes that were read from the database.
func changesOf(list []backends.Change) []*Change {
	out := make([]*Change, len(list))
	for i := range list {
		out[i] = &Change{Change: list[i]}
	}
	return out
}
