package sse

import (
	"github.com/secondgate/secondgate/gateway/hub"
	"github.com/secondgate/secondgate/protocol"
)

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
