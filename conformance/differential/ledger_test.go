package differential_test

import (
	"context"
	"fmt"
	"time"

	"github.com/secondgate/secondgate/backends"
)

// ledger is a request to the ledger.
func (a *author) ledger() request {
	kind := oneOf(a, kinds)
	switch n := a.IntN(4); {
	case n == 0:
		return finding{
			kind, oneOf(a, []string{"", "a", "0", "0000", "%", "_"}), oneOf(a, []string{"", "", "a", "00000100", "_"}),
			a.IntN(20),
		}
	case n == 1:
		return taking{oneOf(a, kinds[1:]), oneOf(a, clientIDs)}
	default:
		at := time.Now().UTC().Truncate(time.Second)
		e := backends.Entry{Kind: oneOf(a, kinds[1:]), Key: oneOf(a, clientIDs), Body: a.data("x"), At: at}
		if a.one(2) { // long over, or not for long
			e.Expires = at.Add(oneOf(a, []time.Duration{-time.Hour, time.Hour}))
		}
		return putting{e, a.one(2)}
	}
}

// putting, taking and finding are the ledger's methods.
type putting struct {
	entry    backends.Entry
	ifAbsent bool
}

func (q putting) String() string {
	return fmt.Sprintf("put %s, if absent %v", sayEntry(q.entry), q.ifAbsent)
}

func (q putting) expect(*known) (string, bool) { return "", false }

func (q putting) ask(ctx context.Context, s *side) string {
	if err := s.backend.Put(ctx, q.entry, q.ifAbsent); err != nil {
		return sayCode(err)
	}
	return "put"
}

type taking struct{ kind, key string }

func (q taking) String() string { return fmt.Sprintf("take %s/%q", q.kind, q.key) }

func (q taking) expect(*known) (string, bool) { return "", false }

func (q taking) ask(ctx context.Context, s *side) string {
	e, err := s.backend.Take(ctx, q.kind, q.key)
	if err != nil {
		return sayCode(err)
	}
	return sayEntry(e)
}

type finding struct {
	kind, prefix, after string
	limit               int
}

func (q finding) String() string {
	return fmt.Sprintf("find %d entries of %s, beginning with %q, after %q", q.limit, q.kind, q.prefix, q.after)
}

func (q finding) expect(*known) (string, bool) { return "", false }

func (q finding) ask(ctx context.Context, s *side) string {
	found, err := s.backend.Find(ctx, q.kind, q.prefix, q.after, q.limit)
	if err != nil {
		return sayCode(err)
	}
	text := fmt.Sprint(len(found), " entries")
	for _, e := range found {
		text += "\n" + sayEntry(e)
	}
	return text
}
