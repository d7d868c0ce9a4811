package conformance

import (
	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/protocol"
)

func (s *trial) usage(scope protocol.Scope) backends.Usage {
	s.Helper()
	u, err := s.b.Usage(s.ctx, scope)
	s.ok("usage", err)
	return u
}

var errFull = protocol.Errorf(protocol.CodeQuotaExceeded, "full")

// fullFor carries out a write where a scope has no room for documents, or for bytes.
func (s *trial) fullFor(documents, bytes error, w backends.Write) error {
	s.Helper()
	tx := s.tx(alpha, w)
	tx.FullDocuments, tx.FullBytes = documents, bytes
	_, err := s.try(tx)
	return err
}

var usageRules = []Rule{
	{
		ID:   "usage/counts",
		Says: "the usage of a scope is its documents and bytes, outside writes included, and no other's",
		Check: func(s *trial) {
			s.want("usage of an empty scope", s.usage(alpha), backends.Usage{})
			for _, scope := range neighbours {
				s.insert(protocol.Ref{Scope: scope, Collection: "notes", ID: "a"}, `{"n":1}`)
			}
			one := s.usage(alpha)
			s.want("documents", one.Documents, 1)
			s.want("some bytes", one.Bytes >= 7 && one.Bytes < 100, true)
			s.insert(protocol.Ref{Scope: alpha, Collection: "others", ID: "b"}, `{"n":1}`)
			s.want("two alike", s.usage(alpha), backends.Usage{Documents: 2, Bytes: 2 * one.Bytes})
			s.outside(Step{Kind: "insert", Ref: note("c"), Data: `{"n":1}`})
			s.delete(note("a")) // a count that shows it shows the outside write before it too
			s.want("an outside insert and a delete", s.usage(alpha).Documents, 2)
			s.want("elsewhere", s.usage(beta), one)
		},
	},
	{
		ID:   "usage/full",
		Says: "a full scope takes what deletes or makes shorter, and nothing that needs room",
		Check: func(s *trial) {
			s.insert(note("a"), `{"text":"longer"}`)
			long := ups("notes", "new", `{"text":"x"}`)
			s.is("insert", s.fullFor(errFull, nil, ins("notes", "b", `{}`)), errFull)
			s.is("insert of bytes", s.fullFor(nil, errFull, ins("notes", "b", `{}`)), errFull)
			s.is("upsert of a new one", s.fullFor(errFull, nil, long), errFull)
			s.is("longer", s.fullFor(nil, errFull, upd("notes", "a", `{"more":1}`)), errFull)
			s.ok("longer, full of documents", s.fullFor(errFull, nil, upd("notes", "a", `{"text":"longer!"}`)))
			s.ok("as long", s.fullFor(errFull, errFull, upd("notes", "a", `{"text":"LONGER!"}`)))
			s.ok("shorter", s.fullFor(errFull, errFull, upd("notes", "a", `{"text":""}`)))
			s.ok("shorter by upsert", s.fullFor(errFull, errFull, ups("notes", "a", `{"text":""}`)))
			s.data("get", s.get(note("a")), `{"text":""}`)
			s.ok("delete", s.fullFor(errFull, errFull, del("notes", "a")))
			s.want("nothing else was made", s.usage(alpha), backends.Usage{})
		},
	},
}
