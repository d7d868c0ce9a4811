package model

import (
	"bytes"
	"context"
	"slices"
	"strings"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/protocol"
)

type ledgerKey struct{ kind, key string }

// Put stores an entry.
func (b *Backend) Put(ctx context.Context, e backends.Entry, ifAbsent bool) error {
	return b.book(ctx, func(s *store) error {
		if _, taken := s.entry(ledgerKey{e.Kind, e.Key}); taken && ifAbsent {
			return protocol.Errorf(protocol.CodeAlreadyExists, "there is already a %s %q", e.Kind, e.Key)
		}
		s.keep(e)
		return nil
	})
}

// Take removes an entry.
func (b *Backend) Take(ctx context.Context, kind, key string) (e backends.Entry, err error) {
	err = b.book(ctx, func(s *store) error {
		ok := false
		if e, ok = s.entry(ledgerKey{kind, key}); !ok {
			return protocol.Errorf(protocol.CodeNotFound, "there is no %s %q", kind, key)
		}
		delete(s.ledger, ledgerKey{kind, key})
		return nil
	})
	return e, err
}

// Find lists entries by key.
func (b *Backend) Find(ctx context.Context, kind, prefix, after string, limit int) (found []backends.Entry, err error) {
	err = b.book(ctx, func(s *store) error {
		for k := range s.ledger {
			if e, ok := s.entry(k); ok && k.kind == kind && strings.HasPrefix(k.key, prefix) && k.key > after {
				found = append(found, e)
			}
		}
		return nil
	})
	slices.SortFunc(found, func(a, b backends.Entry) int { return strings.Compare(a.Key, b.Key) })
	return found[:min(limit, len(found))], err
}

func (b *Backend) book(ctx context.Context, work func(*store) error) error {
	inner, leave, err := b.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	if inner.Err() != nil {
		return b.explain(ctx, inner.Err())
	}
	b.store.mu.Lock()
	defer b.store.mu.Unlock()
	return work(b.store)
}

// entry finds one that has not expired.
func (s *store) entry(k ledgerKey) (backends.Entry, bool) {
	e, ok := s.ledger[k]
	if ok && !e.Expires.IsZero() && !e.Expires.After(s.options.Now()) {
		return backends.Entry{}, false
	}
	e.Body = bytes.Clone(e.Body)
	return e, ok
}

func (s *store) keep(e backends.Entry) {
	e.Body = bytes.Clone(e.Body)
	s.ledger[ledgerKey{e.Kind, e.Key}] = e
}
