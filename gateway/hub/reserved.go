package hub

import (
	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/protocol"
)

// OnReserved has tell called with the document of each change in a reserved scope, with the scope
// alone where its changes are lost, and with nothing where all are. A read that tell's caller
// begins then shows the change. tell must not block. Call OnReserved before Run.
func (h *Hub) OnReserved(tell func(protocol.Ref)) { h.reserved = append(h.reserved, tell) }

// tellReserved is called by Run alone, once the hub's cursor has reached the batch.
func (h *Hub) tellReserved(batch *backends.Batch) {
	if batch.LostAll {
		h.tellOf(protocol.Ref{})
		return
	}
	for _, s := range batch.Lost {
		if s.IsSystem() {
			h.tellOf(protocol.Ref{Scope: s})
		}
	}
	for i := range batch.Changes {
		if r := batch.Changes[i].Ref; r.Scope.IsSystem() {
			h.tellOf(r)
		}
	}
}

func (h *Hub) tellOf(r protocol.Ref) {
	for _, tell := range h.reserved {
		tell(r)
	}
}
