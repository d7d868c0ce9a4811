package conformance

import (
	"slices"

	"github.com/secondgate/secondgate/protocol"
)

// neighbours are scopes that a careless key would take for one another.
var neighbours = []protocol.Scope{
	alpha, draft, beta, gamma, {Workspace: "w-1-app", App: "app"}, {Workspace: "w-1", App: "APP"},
}

var scopeRules = []Rule{
	{
		ID:   "scopes/get",
		Says: "a document is seen in its own scope only",
		Check: func(s *trial) {
			for _, scope := range neighbours {
				s.insert(protocol.Ref{Scope: scope, Collection: "notes", ID: "a"}, `{"in":"`+scope.String()+`"}`)
			}
			for _, scope := range neighbours {
				s.data(
					"get in "+scope.String(), s.get(protocol.Ref{Scope: scope, Collection: "notes", ID: "a"}),
					`{"in":"`+scope.String()+`"}`,
				)
			}
		},
	},
	{
		ID:   "scopes/list",
		Says: "a list shows its own scope only",
		Check: func(s *trial) {
			for _, scope := range neighbours[1:] {
				s.insert(protocol.Ref{Scope: scope, Collection: "notes", ID: "a"}, `{}`)
			}
			s.want("documents of the scope without any", len(s.list(alpha, "notes", nil).Docs), 0)
			s.want("documents of a scope with one", len(s.list(draft, "notes", nil).Docs), 1)
		},
	},
	{
		ID:   "scopes/collections",
		Says: "collections are counted in their own scope only",
		Check: func(s *trial) {
			s.insert(protocol.Ref{Scope: beta, Collection: "others", ID: "a"}, `{}`)
			s.want("collections of an empty scope", len(s.counts(nil)), 0)
		},
	},
	{
		ID:   "scopes/feed",
		Says: "a feed names the scope of every change",
		Check: func(s *trial) {
			f := s.watch(nil)
			for _, scope := range neighbours {
				s.insert(protocol.Ref{Scope: scope, Collection: "notes", ID: "a"}, `{"in":"`+scope.String()+`"}`)
			}
			end, told := s.now(), map[protocol.Scope]int{}
			for !f.cursor.Reached(end) {
				for _, c := range f.next().Changes {
					if c.Ref.Scope != aside {
						told[c.Ref.Scope]++
						s.data("change of "+c.Ref.String(), c.Doc, `{"in":"`+c.Ref.Scope.String()+`"}`)
					}
				}
			}
			s.want("scopes told of", len(told), len(neighbours))
		},
	},
	{
		ID:   "scopes/since",
		Says: "Since tells of its own scope only",
		Check: func(s *trial) {
			from := s.now()
			for _, scope := range neighbours {
				s.insert(protocol.Ref{Scope: scope, Collection: "notes", ID: "a"}, `{}`)
			}
			for _, scope := range neighbours {
				changes := s.since(scope, from).Changes
				s.want("changes of "+scope.String(), len(changes), 1)
				s.want("scope", changes[0].Ref.Scope, scope)
			}
		},
	},
	{
		ID:   "scopes/writes",
		Says: "update, delete and upsert do not reach the same id in another scope or collection",
		Check: func(s *trial) {
			s.commit(alpha, ins("notes", "a", `{"n":1}`), ins("other", "a", `{"n":1}`))
			s.refuse(protocol.CodeNotFound, draft, upd("notes", "a", `{"n":2}`))
			s.refuse(protocol.CodeNotFound, beta, del("notes", "a"))
			s.commit(gamma, ups("notes", "a", `{"n":3}`))
			s.commit(draft, find("notes", `{"n":1}`, protocol.NewID(s.tx(alpha).At), `{"n":4}`))
			s.commit(alpha, upd("other", "a", `{"n":5}`))
			s.data("get", s.get(note("a")), `{"n":1}`)
		},
	},
	{
		ID:   "scopes/mutations",
		Says: "a mutation id is remembered for its scope and principal only",
		Check: func(s *trial) {
			for i, scope := range []protocol.Scope{alpha, draft, beta} {
				tx := s.tx(scope, ins("notes", "a", `{}`))
				tx.Mutation, tx.Digest[0] = "m", byte(i)
				o, err := s.try(tx)
				s.ok("write in "+scope.String(), err)
				s.want("replayed", o.Replayed, false)
			}
			tx := s.tx(alpha, ins("notes", "b", `{}`))
			tx.Mutation, tx.Principal = "m", "user:other"
			o, err := s.try(tx)
			s.ok("write of another principal", err)
			s.want("replayed", o.Replayed, false)
		},
	},
	{
		ID:   "scopes/versions",
		Says: "published and draft are two scopes of one app",
		Check: func(s *trial) {
			s.insert(note("a"), `{"v":"published"}`)
			s.insert(protocol.Ref{Scope: draft, Collection: "notes", ID: "b"}, `{"v":"draft"}`)
			s.outside(Step{Kind: "insert", Ref: protocol.Ref{Scope: draft, Collection: "notes", ID: "c"}, Data: `{}`})
			var ids []string
			for _, d := range s.list(draft, "notes", s.now()).Docs {
				ids = append(ids, d.ID)
			}
			slices.Sort(ids)
			s.want("ids in draft", ids, []string{"b", "c"})
			s.want("documents in published", len(s.list(alpha, "notes", s.now()).Docs), 1)
		},
	},
}
