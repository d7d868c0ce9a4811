package differential_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/protocol"
)

var errLost = errors.New("the feed has lost a scope, for no reason")

// settle reads the feed until it has come to the last change.
func (s *side) settle(ctx context.Context, told func(backends.Change)) error {
	for s.latest != nil && !s.feed.Cursor().Covers(*s.latest) {
		batch, err := s.feed.Next(ctx)
		if err != nil {
			return err
		}
		if batch.LostAll || len(batch.Lost) > 0 {
			return errLost
		}
		for _, c := range batch.Changes {
			if s.apply(c); told != nil {
				told(c)
			}
		}
	}
	return nil
}

func (s *side) apply(c backends.Change) {
	if c.Doc == nil {
		delete(s.copy, c.Ref)
	} else {
		s.copy[c.Ref] = *c.Doc
	}
}

// settling reads the feeds, and holds what they tell of each document to what was written: all of
// it or some of it, in that order, the last state always.
type settling struct{}

func (settling) String() string { return "read the feed up to the last write" }

const wellTold = "everything was told in order"

func (settling) expect(*known) (string, bool) { return wellTold, true }

func (settling) ask(ctx context.Context, s *side) string {
	told := map[protocol.Ref][]*protocol.Document{}
	err := s.settle(ctx, func(c backends.Change) {
		if (c.Op == backends.Delete) != (c.Doc == nil) {
			c.Doc = &protocol.Document{ID: "a " + c.Op.String() + " that is none"}
		}
		told[c.Ref] = append(told[c.Ref], c.Doc)
	})
	if err != nil {
		return sayError(err)
	}
	return s.known.judge(told)
}

// judge holds what a feed has told to what was written since feeds were last read. The first wrong
// document, by name, is described.
func (k *known) judge(told map[protocol.Ref][]*protocol.Document) string {
	var wrong []string
	for r, states := range told {
		if len(k.written[r]) == 0 {
			wrong = append(wrong, fmt.Sprintf("%q: nobody wrote\n  told: %s", r, sayStates(states)))
		}
	}
	for r, written := range k.written {
		last := written[len(written)-1]
		if len(told[r]) == 0 && sayDoc(last) == sayDoc(k.before[r]) {
			continue // nothing has come of it
		}
		if states := told[r]; !within(states, written) || sayDoc(states[len(states)-1]) != sayDoc(last) {
			wrong = append(
				wrong, fmt.Sprintf("%q:\n  told: %s\n  written: %s", r, sayStates(states), sayStates(written)),
			)
		}
	}
	if len(wrong) == 0 {
		return wellTold
	}
	slices.Sort(wrong)
	return wrong[0]
}

// within tells whether states are some of all, in order, and not none.
func within(states, all []*protocol.Document) bool {
	for _, s := range states {
		i := slices.IndexFunc(all, func(d *protocol.Document) bool { return sayDoc(d) == sayDoc(s) })
		if i < 0 {
			return false
		}
		all = all[i+1:]
	}
	return len(states) > 0
}

func sayStates(states []*protocol.Document) string {
	var text strings.Builder
	for _, d := range states {
		fmt.Fprintf(&text, "\n    %s", sayDoc(d))
	}
	return text.String()
}

// resuming gives the feed up and goes on from the bytes of its cursor.
type resuming struct{}

func (resuming) String() string { return "resume the feed from its cursor" }

func (resuming) expect(*known) (string, bool) { return "resumed", true }

func (resuming) ask(ctx context.Context, s *side) string {
	at, err := s.backend.Cursor(ctx, s.feed.Cursor().Append(nil))
	if err != nil {
		return sayError(err)
	}
	feed, err := s.backend.Watch(ctx, at)
	if err != nil {
		return sayError(err)
	}
	_ = s.feed.Close() // it is of no more use
	s.feed = feed
	return "resumed"
}
