package mongodb

import (
	"context"

	"github.com/secondgate/secondgate/backends"
)

// finish answers what the commit has not.
func (g *group) finish(ctx context.Context) error {
	if len(g.models) == 0 && len(g.memories) == 0 && len(g.entries) == 0 {
		g.traceless(ctx)
	}
	return g.replay(ctx)
}

// traceless gives the changes of transactions that have left nothing behind, as when a document was made and deleted again,
// the time of a snapshot in place of a commit's: nothing was committed, and whoever waits for them to be covered would
// wait for ever.
func (g *group) traceless(ctx context.Context) {
	var all []*decided
	for _, d := range g.decided {
		if len(d.out.Changes) > 0 {
			all = append(all, d)
		}
	}
	if len(all) == 0 {
		return
	}
	h, err := g.backend.head(ctx, nil)
	for _, d := range all {
		if err != nil {
			*d.out = backends.Outcome{Err: err}
		}
		for i := range d.out.Changes {
			d.out.Changes[i].Commit = commit(h.cursor)
		}
	}
}
