package model

import (
	"bytes"
	"context"
	"slices"
	"strings"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/backends/driverkit"
)

type ledgerKey struct{ kind, key string }

// Put implements [backends.Ledger].
func (b *Backend) Put(ctx context.Context, e backends.Entry, ifAbsent bool) error {
	return b.locked(ctx, func(s *store) error {
		if _, taken := s.entry(ledgerKey{e.Kind, e.Key}); taken && ifAbsent {
			return driverkit.ErrEntryExists(e.Key)
		}
		s.putEntry(e)
		return nil
	})
}

// Take implements [backends.Ledger].
func (b *Backend) Take(ctx context.Context, kind, key string) (e backends.Entry, err error) {
	err = b.locked(ctx, func(s *store) error {
		ok := false
		if e, ok = s.entry(ledgerKey{kind, key}); !ok {
			return driverkit.ErrNoEntry(key)
		}
		delete(s.ledger, ledgerKey{kind, key})
		return nil
	})
	return e, err
}

// Find implements [backends.Ledger].
func (b *Backend) Find(
	ctx context.Context, kind, prefix, after string, limit int,
) (found []backends.Entry, err error) {
	err = b.locked(ctx, func(s *store) error {
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

// FindLast implements [backends.Ledger].
func (b *Backend) FindLast(
	ctx context.Context, kind, prefix, before string, limit int,
) (found []backends.Entry, err error) {
	err = b.locked(ctx, func(s *store) error {
		for k := range s.ledger {
			e, ok := s.entry(k)
			if ok && k.kind == kind && strings.HasPrefix(k.key, prefix) && (before == "" || k.key < before) {
				found = append(found, e)
			}
		}
		return nil
	})
	slices.SortFunc(found, func(a, b backends.Entry) int { return strings.Compare(b.Key, a.Key) })
	return found[:min(limit, len(found))], err
}

// entry returns an entry unless it has expired.
func (s *store) entry(k ledgerKey) (backends.Entry, bool) {
	e, ok := s.ledger[k]
	if ok && !e.Expires.IsZero() && !e.Expires.After(s.options.Now()) {
		return backends.Entry{}, false
	}
	e.Body = bytes.Clone(e.Body)
	return e, ok
}

func (s *store) putEntry(e backends.Entry) {
	e.Body = bytes.Clone(e.Body)
	s.ledger[ledgerKey{e.Kind, e.Key}] = e
}
