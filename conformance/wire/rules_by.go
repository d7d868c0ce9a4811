package wire

import (
	"slices"

	"github.com/secondgate/secondgate/protocol"
)

// byRules hold for gateways that name by among their features.
var byRules = []Rule{
	{
		ID: "ws/change-by",
		Says: "a change says by whom, live and after a resume, to clients that ask for it by features, " +
			"and to no other",
		Check: func(r *trial) {
			c, asker := r.named("notes"), r.dial("features", "by,more")
			if !slices.Contains(asker.Welcome.Features, "by") {
				return
			}
			plain, part := r.dial(), r.dial("changes", "none", "features", "by")
			part.do(protocol.Request{Type: protocol.TypeSubscribe, Collection: c})
			writer := r.dial("changes", "none")
			writer.insert(c, "a", `{"n":1}`)
			from := asker.by(c, "a")
			writer.delete(c, "a")
			asker.by(c, "a")
			r.dial("features", "by", "cursor", from).by(c, "a")
			part.by(c, "a")
			m := plain.change(c, "a")
			r.must(m.By == nil, "by of a client that has not asked: got %+v want none", m.By)
		},
	},
}

// by wants a document's next change to be by whoever this connection is. It returns the bookmark
// after it.
func (p *peer) by(collection, id string) (cursor string) {
	m := p.change(collection, id)
	named := m.By != nil && m.By.Kind != ""
	p.r.must(named, "by of the %s of %s: got %+v want who made it", m.Operation, id, m.By)
	p.r.want("by.id", m.By.ID, p.Welcome.User.ID)
	return p.bookmark()
}
