package store

import (
	"context"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/gateway/access"
	"github.com/secondgate/secondgate/protocol"
)

// Read bounds a read.
type Read struct {
	// NotBefore is a snapshot that the answer is not older than. Nil: not older than anything any
	// client of this process has been sent, for doors that do not know what their client has heard on
	// a stream beside them.
	NotBefore backends.Cursor
	// MaxBytes cuts a list (0: no bound).
	MaxBytes int
}

// List answers second:data:list from one snapshot, which it returns.
func (s *Store) List(
	ctx context.Context, p access.Principal, scope protocol.Scope, r *protocol.Request, bounds Read,
) (protocol.Answer, backends.Cursor) {
	if refused := s.allow(ctx, p, scope, access.Read, reading(r.Collection)); refused != nil {
		return protocol.Answer{Request: r, Err: refused}, nil
	}
	page, err := s.backend.List(ctx, scope, backends.Query{
		Collection: r.Collection, After: r.After, Limit: r.Limit,
		MaxBytes: bounds.MaxBytes, NotBefore: s.notBefore(bounds),
	})
	if err != nil {
		s.faults.note("read", err)
		return protocol.Answer{Request: r, Err: s.Failure(r, err)}, nil
	}
	return protocol.Answer{Request: r, Docs: page.Docs, Next: page.Next}, page.Cursor
}

// Doc answers second:data:doc from one snapshot, which it returns. A document that does not exist
// is null.
func (s *Store) Doc(
	ctx context.Context, p access.Principal, scope protocol.Scope, r *protocol.Request, bounds Read,
) (protocol.Answer, backends.Cursor) {
	if refused := s.allow(ctx, p, scope, access.Read, reading(r.Collection)); refused != nil {
		return protocol.Answer{Request: r, Err: refused}, nil
	}
	ref := protocol.Ref{Scope: scope, Collection: r.Collection, ID: r.DocID}
	doc, cursor, err := s.backend.Get(ctx, ref, s.notBefore(bounds))
	if err != nil {
		s.faults.note("read", err)
		return protocol.Answer{Request: r, Err: s.Failure(r, err)}, nil
	}
	return protocol.Answer{Request: r, Doc: doc}, cursor
}

// Collections counts the documents of each collection.
func (s *Store) Collections(
	ctx context.Context, p access.Principal, scope protocol.Scope, bounds Read,
) (map[string]int, *protocol.Error) {
	if refused := s.allow(ctx, p, scope, access.Read); refused != nil {
		return nil, refused
	}
	counts, err := s.backend.Collections(ctx, scope, s.notBefore(bounds))
	if err != nil {
		s.faults.note("read", err)
		return nil, s.Failure(&protocol.Request{Type: protocol.TypeList}, err)
	}
	return counts, nil
}

func (s *Store) notBefore(bounds Read) backends.Cursor {
	if bounds.NotBefore == nil {
		return s.hub.HighWater()
	}
	return bounds.NotBefore
}
