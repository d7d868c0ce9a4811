package differential_test

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/secondgate/secondgate/protocol"
)

// marking remembers a moment.
type marking struct{}

func (marking) String() string { return "remember a cursor" }

func (marking) expect(*known) (string, bool) { return "remembered", true }

func (marking) ask(ctx context.Context, s *side) string {
	_, at, err := s.backend.Get(ctx, protocol.Ref{Scope: scopes[0], Collection: "none", ID: "none"}, nil)
	if err != nil {
		return sayError(err)
	}
	s.mark, s.then = at, s.known.clone()
	return "remembered"
}

// catchingUp asks for everything since the moment, which must lead from what was there to what is.
type catchingUp struct{ scope protocol.Scope }

func (q catchingUp) String() string {
	return fmt.Sprintf("everything in %s since the remembered cursor", q.scope)
}

func (q catchingUp) expect(k *known) (string, bool) { return k.say(q.scope), true }

func (q catchingUp) ask(ctx context.Context, s *side) string {
	if s.mark == nil {
		return s.known.say(q.scope)
	}
	batch, err := s.backend.Since(ctx, q.scope, s.mark, 0)
	if err != nil {
		return sayError(err)
	}
	if batch.LostAll || len(batch.Lost) > 0 {
		return sayError(errLost)
	}
	state := s.then.clone()
	for _, c := range batch.Changes {
		state.set(c.Ref, c.Doc)
	}
	return state.say(q.scope)
}

// say is everything in a scope, a line for each document.
func (k *known) say(s protocol.Scope) string {
	var lines []string
	for p, docs := range k.docs {
		for _, d := range docs {
			if p.scope == s {
				lines = append(lines, fmt.Sprintf("%q %s", p.collection, sayDoc(&d)))
			}
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// missing asks for what is gone since the moment: all that was there then and is not now, and
// nothing that is there. Others that came and went may be named too.
type missing struct{ scope protocol.Scope }

func (q missing) String() string {
	return fmt.Sprintf("what is gone of %s since the remembered cursor", q.scope)
}

const wellMissed = "all that is gone, and nothing else"

func (missing) expect(*known) (string, bool) { return wellMissed, true }

func (q missing) ask(ctx context.Context, s *side) string {
	if s.mark == nil {
		return wellMissed
	}
	gone, _, err := s.backend.Gone(ctx, q.scope, s.mark, 1<<20)
	if err != nil {
		return sayError(err)
	}
	named := map[protocol.Ref]bool{}
	for _, r := range gone {
		if named[r] = true; r.Scope != q.scope || s.known.get(r) != nil {
			return fmt.Sprintf("%q, which is there", r)
		}
	}
	for p, docs := range s.then.docs {
		for id := range docs {
			r := protocol.Ref{Scope: p.scope, Collection: p.collection, ID: id}
			if p.scope == q.scope && s.known.get(r) == nil && !named[r] {
				return fmt.Sprintf("not %q", r)
			}
		}
	}
	return wellMissed
}
