package sse

import (
	"github.com/secondgate/secondgate/gateway/hub"
	"github.com/secondgate/secondgate/protocol"
)

// appendState appends a document as an insert and as an update: a client may ignore the one or the
// other, depending on what it has. One that is gone is appended as a delete.
func appendState(dst []byte, collection, id string, doc *protocol.Document, rev bool) []byte {
	if doc == nil {
		return protocol.AppendEvent(dst, collection, "delete", id, nil, rev)
	}
	dst = protocol.AppendEvent(dst, collection, "insert", id, doc, rev)
	return protocol.AppendEvent(dst, collection, "update", id, doc, rev)
}

// latest leaves out the states that a later one replaces.
func latest(changes []*hub.Change) (last []*hub.Change) {
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
