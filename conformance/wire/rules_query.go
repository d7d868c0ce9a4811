package wire

import (
	"fmt"
	"slices"

	"github.com/secondgate/secondgate/protocol"
)

// queryRules hold for gateways that name query among their features.
var queryRules = []Rule{
	{
		ID:   "ws/query",
		Says: "a query answers the documents that match, in its order, page by page, and counts them",
		Check: func(r *trial) {
			c, p := r.named("leads"), r.dial("changes", "none")
			if !slices.Contains(p.Welcome.Features, "query") {
				return
			}
			for i := range 20 {
				p.insert(c, fmt.Sprintf("d%02d", i), fmt.Sprintf(`{"n":%d,"tag":{"odd":%v}}`, i/2, i%2 == 1))
			}
			p.insert(c, "text", `{"n":"7"}`)
			q := query(c, `{"n":{"$gte":3,"$lt":8},"$or":[{"tag.odd":true},{"n":{"$in":[4]}}]}`, "-n")
			q.Limit, q.Count = 2, true
			r.want("ids", p.queried(q, 6), []string{"d15", "d13", "d11", "d08", "d09", "d07"})
			q = query(c, `{"tag":{"$exists":false}}`)
			q.Count = true
			r.want("ids without the field", p.queried(q, 1), []string{"text"})
		},
	},
	{
		ID: "ws/query-refused",
		Says: "a where that is not of the grammar is refused with invalid_filter, a position of another query " +
			"with invalid_cursor",
		Check: func(r *trial) {
			c, p := r.named("leads"), r.dial("changes", "none")
			if !slices.Contains(p.Welcome.Features, "query") {
				return
			}
			for _, where := range []string{
				`{"n":{"$ne":1}}`, `{"$and":[]}`, `{"$or":[]}`, `{"n":{"$gt":true}}`, `{"n":{"$in":1}}`, `{"_rev":"x"}`,
			} {
				p.refused(protocol.CodeInvalidFilter, query(c, where))
			}
			q := query(c, `{}`)
			q.After = "nonsense"
			p.refused(protocol.CodeInvalidCursor, q)
		},
	},
}

func query(collection, where string, order ...string) protocol.Request {
	return protocol.Request{
		Type: protocol.TypeQuery, Collection: collection, Where: []byte(where), Order: order,
	}
}

// queried are the ids of all pages of a query, each of which counts so many.
func (p *peer) queried(q protocol.Request, count int) (ids []string) {
	for {
		m := p.do(q)
		p.r.want("count", m.Count, count)
		for _, doc := range m.Docs {
			ids = append(ids, idOf(doc))
		}
		if q.After = m.Next; q.After == "" {
			return ids
		}
	}
}
