// Package modeltest runs the conformance rules on the model.
package modeltest

import (
	"sync/atomic"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/backends/model"
	"github.com/secondgate/secondgate/conformance"
	"github.com/secondgate/secondgate/protocol"
)

// Harness opens models. Each has a seed of its own that follows from Options.Seed.
type Harness struct {
	Options model.Options
	opened  atomic.Uint64
}

var _ conformance.Harness = (*Harness)(nil)

// Seed is printed by rules that fail.
func (h *Harness) Seed() uint64 { return h.Options.Seed }

// Open makes a new model.
func (h *Harness) Open(t conformance.T) backends.Backend {
	o := h.Options
	o.Seed = o.Seed<<32 + h.opened.Add(1)
	return closing(t, model.New(o))
}

func closing(t conformance.T, b *model.Backend) *model.Backend {
	t.Cleanup(func() { _ = b.Close() }) // it cannot fail
	return b
}

// Reopen opens b's store again.
func (h *Harness) Reopen(t conformance.T, b backends.Backend) backends.Backend {
	return closing(t, b.(*model.Backend).Reopen())
}

// Forget drops b's history.
func (h *Harness) Forget(_ conformance.T, b backends.Backend) { b.(*model.Backend).Forget() }

// Backup copies b's store.
func (h *Harness) Backup(t conformance.T, b backends.Backend) func() backends.Backend {
	restore := b.(*model.Backend).Backup()
	return func() backends.Backend {
		_ = b.Close()
		return closing(t, restore())
	}
}

// Oracle reads the versions of b's documents.
func (h *Harness) Oracle(_ conformance.T, b backends.Backend) conformance.Oracle {
	return func(_ conformance.T, s protocol.Scope, c backends.Cursor) map[string]map[string]protocol.Document {
		return b.(*model.Backend).At(s, c)
	}
}

// Exempt exempts the model from no rule.
func (h *Harness) Exempt(string) string { return "" }

// Outside is an outside writer of b.
func (h *Harness) Outside(_ conformance.T, b backends.Backend) conformance.Outside {
	return outside{b.(*model.Backend)}
}

type outside struct{ b *model.Backend }

func (o outside) Do(t conformance.T, commit bool, steps ...conformance.Step) {
	t.Helper()
	err := o.b.Outside(t.Context(), commit, func(x model.OutsideTx) error {
		for _, s := range steps {
			if err := do(x, s); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatalf("outside: %v", err)
	}
}

func do(x model.OutsideTx, s conformance.Step) error {
	switch s.Kind {
	case "insert":
		return x.Insert(s.Ref, s.Data)
	case "update":
		return x.Update(s.Ref, s.Data)
	case "replace":
		return x.Replace(s.Ref, s.Data)
	case "move":
		return x.Move(s.Ref, s.To)
	default:
		return x.Delete(s.Ref)
	}
}
