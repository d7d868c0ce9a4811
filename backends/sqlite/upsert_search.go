package sqlite

import (
	"context"
	"database/sql/driver"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/backends/driverkit"
	"github.com/secondgate/secondgate/protocol"
)

// All writes wait while the writer reads a collection. So it reads at most maxWalk documents for the
// filters of one job, and defers the job beyond that. The caller then searches the collection on a
// reader's connection and queues the job again. The writer only follows the log from there.

// maxWalk is how many documents the writer reads by walks for one job.
const maxWalk = 1000

// call is what the jobs of one Write share. They take effect in their order, so the jobs after a
// deferred one are deferred too. The writer owns it while the jobs are queued.
type call struct{ deferred *job }

// search is what a caller has found in one snapshot of a collection for the upserts of a job.
type search struct {
	collection
	seq   int64                                  // the position of the snapshot in the log
	found map[*backends.Write]*protocol.Document // the newest match of each filter; nil: none

	// State of the writer's transaction.
	at      int64                         // the log has been followed up to here
	changed map[string]*protocol.Document // what the log names since seq, as it is now; nil: gone
}

// begin forgets what an earlier transaction, which was rolled back, has seen.
func (s *search) begin() { s.at, s.changed = s.seq, map[string]*protocol.Document{} }

// searchFor searches each collection into which a job upserts by filter, once.
func (b *Backend) searchFor(ctx context.Context, j *job) error {
	j.searches = map[collection]*search{}
	for i := range j.tx.Writes {
		w := &j.tx.Writes[i]
		if !driverkit.ByFilter(w) {
			continue
		}
		at := collection{j.tx.Scope, w.Collection}
		if j.searches[at] == nil {
			j.searches[at] = &search{collection: at, found: map[*backends.Write]*protocol.Document{}}
		}
		j.searches[at].found[w] = nil
	}
	for _, s := range j.searches {
		if err := b.searchAll(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

// searchAll reads a whole collection from one snapshot.
func (b *Backend) searchAll(ctx context.Context, s *search) error {
	return b.snapshot(ctx, "search a collection", func(ctx context.Context, c *conn) error {
		at, err := b.newest(ctx, c)
		if err != nil {
			return err
		}
		s.seq = at.seq
		args := []any{s.scope.Workspace, s.scope.StoredApp(), s.name}
		return c.each(ctx, listAllSQL, args, func(row []driver.Value) error {
			doc := b.document(s.scope, s.name, row)
			if doc == nil {
				return nil
			}
			for w, best := range s.found {
				if w.Filter.Matches(doc) && (best == nil || backends.Before(doc, best)) {
					s.found[w] = doc
				}
			}
			return ctx.Err() // there may be many filters
		})
	})
}

// searched returns the document that an upsert means, from what its caller has found and what has
// changed since.
func (w *writer) searched(s *search, upsert *backends.Write) (*protocol.Document, error) {
	if err := w.followSearch(s); err != nil {
		return nil, err
	}
	was := s.found[upsert]
	best := was
	if was != nil {
		if _, changed := s.changed[was.ID]; changed {
			best = nil
		}
	}
	stays := best != nil || was == nil
	for _, doc := range s.changed {
		if doc != nil && upsert.Filter.Matches(doc) && (best == nil || backends.Before(doc, best)) {
			best = doc
		}
	}
	if !stays && (best == nil || backends.Before(was, best)) {
		return nil, driverkit.ErrSearchFirst // one that the search has passed over may come before
	}
	return best, nil
}

const namedSinceSQL = "SELECT DISTINCT id FROM app_data_changes " +
	"WHERE seq > ? AND workspace_id = ? AND app_id = ? AND collection = ?"

// followSearch reads what the log names since it was followed last.
func (w *writer) followSearch(s *search) error {
	ctx := context.Background()
	var floor, newest int64
	if _, err := w.conn.one(ctx, reachSQL, nil, &floor, &newest); err != nil {
		return err
	}
	if s.at < floor || newest < s.at || newest-s.at > maxCatchUp {
		return driverkit.ErrSearchFirst
	}
	args := []any{s.at, s.scope.Workspace, s.scope.StoredApp(), s.name}
	s.at = newest
	return w.conn.each(ctx, namedSinceSQL, args, func(row []driver.Value) error {
		var id string
		if err := scan(row, &id); err != nil {
			return nil // a key is no text: clients never see such a document
		}
		doc, _, err := w.backend.get(w.conn, protocol.Ref{Scope: s.scope, Collection: s.name, ID: id})
		s.changed[id] = doc
		return err
	})
}
