package gateway

import (
	"sync"

	"github.com/secondgate/secondgate/protocol"
)

// event is a change as the event stream tells it, encoded at most once for all streams.
type event struct {
	once sync.Once
	text []byte
}

// Event is the change as an event, whose document carries _rev or not.
func (d *delivered) Event(rev bool) []byte {
	e := &d.events[0]
	if rev {
		e = &d.events[1]
	}
	e.once.Do(func() { e.text = protocol.AppendEvent(nil, d.Ref.Collection, d.Op.String(), d.Ref.ID, d.Doc, rev) })
	return e.text
}

// appendState appends a document as an insert and as an update, because what hears of the one may be deaf to the
// other; one that is gone as a delete.
func appendState(dst []byte, collection, id string, doc *protocol.Document, rev bool) []byte {
	if doc == nil {
		return protocol.AppendEvent(dst, collection, "delete", id, nil, rev)
	}
	dst = protocol.AppendEvent(dst, collection, "insert", id, doc, rev)
	return protocol.AppendEvent(dst, collection, "update", id, doc, rev)
}

// latest leaves out the states that a later one replaces.
func latest(changes []*delivered) (last []*delivered) {
	at := map[protocol.Ref]int{}
	for _, c := range changes {
		if i, again := at[c.Ref]; again {
			last[i] = c
			continue
		}
		at[c.Ref] = len(last)
		last = append(last, c)
	}
	return last
}
