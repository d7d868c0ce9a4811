package postgres

import (
	"cmp"
	"context"
	"encoding/binary"
	"hash/fnv"
	"maps"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/protocol"
)

// Two upserts by filter that find nothing must not both make a document which the other one means. As long as all filters
// of a collection go by the same fields, only equal filters can: each locks its own. Where a second set of fields comes
// into use, filters can overlap without being equal, and upserts of that collection go one by one.
//
// Which sets are in use is a table's to know, since other gateways use some too. Every upsert holds a shared lock of the
// collection while it relies on what the table says, and who adds to the table holds the same lock alone.

// filtered is one collection in which a transaction of the database upserts by filter.
type filtered struct {
	scope      protocol.Scope
	collection string
	sets       []string
	filters    []int64 // keys of the filters' own locks
	alone      bool    // data changes what its own filter goes by, so that equal filters say nothing
}

// filtered are the collections of upserts by filter, in the order of their locks. A filter that names the id needs no
// lock: ids are unique.
func (b *Backend) filtered(txs ...*backends.Tx) []*filtered {
	of := map[protocol.Ref]*filtered{} // of a Ref without an id
	for _, tx := range txs {
		for i := range tx.Writes {
			w := &tx.Writes[i]
			if !byFilter(w) {
				continue
			}
			place := protocol.Ref{Scope: tx.Scope, Collection: w.Collection}
			f := of[place]
			if f == nil {
				f = &filtered{scope: tx.Scope, collection: w.Collection}
				of[place] = f
			}
			set := fieldsOf(w.Filter)
			f.sets = append(f.sets, set)
			f.filters = append(f.filters, b.key(tx.Scope, "filter", w.Collection, set, string(w.Filter.Object())))
			f.alone = f.alone || overrides(w)
		}
	}
	return slices.SortedFunc(maps.Values(of), func(x, y *filtered) int {
		return cmp.Compare(b.key(x.scope, "collection", x.collection), b.key(y.scope, "collection", y.collection))
	})
}

// byFilter tells an upsert that has to look for its document.
func byFilter(w *backends.Write) bool {
	return w.Op == backends.Upsert && w.Filter != nil && w.Filter.ID == "" && w.ID == ""
}

// fieldsOf names a filter's fields in the order of canonical JSON.
func fieldsOf(f *protocol.Filter) string {
	set := []byte{'['}
	for _, c := range f.Conditions {
		set = append(protocol.AppendString(set, c.Field), ',')
	}
	if f.Paths {
		set = append(set, "paths"...)
	}
	return string(append(set, ']'))
}

// overrides tells whether the document that would be made is none that the filter means. With paths that is not looked
// into.
func overrides(w *backends.Write) bool {
	if w.Paths {
		return true
	}
	for _, c := range w.Filter.Conditions {
		if value, ok := protocol.Member(w.Data, c.Field); ok && string(value) != string(c.Value) {
			return true
		}
	}
	return false
}

// key is that of an advisory lock: locks are the database's, so the key tells schemas and scopes apart.
func (b *Backend) key(s protocol.Scope, parts ...string) int64 {
	h := fnv.New64a()
	for _, part := range append([]string{b.schema, s.Workspace, s.StoredApp()}, parts...) {
		_ = binary.Write(h, binary.BigEndian, int64(len(part)))
		_, _ = h.Write([]byte(part))
	}
	return int64(h.Sum64())
}

// register sees to it that the table knows the sets of fields.
func (b *Backend) register(ctx context.Context, conn connection, all []*filtered) error {
	for _, f := range all {
		for _, set := range f.sets {
			place := strings.Join([]string{f.scope.Workspace, f.scope.StoredApp(), f.collection, set}, "\x00")
			if _, known := b.sets.Load(place); known {
				continue
			}
			err := pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
				if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock($1)", b.key(f.scope, "collection", f.collection)); err != nil {
					return err
				}
				_, err := tx.Exec(ctx, b.sql("INSERT INTO @.app_data_filters VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING"),
					f.scope.Workspace, f.scope.StoredApp(), f.collection, set)
				return err
			})
			if err != nil {
				return err
			}
			b.sets.Store(place, struct{}{})
		}
	}
	return nil
}

const (
	// collectionsSQL locks collections, shared or alone. What the table of sets says is read in the next statement, whose
	// snapshot is younger than the locks.
	collectionsSQL = `SELECT CASE WHEN alone THEN pg_advisory_xact_lock(key) ELSE pg_advisory_xact_lock_shared(key) END
		FROM unnest($1::bigint[], $2::boolean[]) WITH ORDINALITY AS l (key, alone, n) ORDER BY n`
	// filtersSQL locks the collections in which more than one set of fields is in use, then the filters.
	filtersSQL = `SELECT pg_advisory_xact_lock(key) FROM (
		SELECT s.key, 0 AS part FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[]) AS s (key, workspace_id, app_id, collection)
		WHERE (SELECT count(*) FROM @.app_data_filters AS f
			WHERE f.workspace_id = s.workspace_id AND f.app_id = s.app_id AND f.collection = s.collection) > 1
		UNION ALL SELECT f.key, 1 FROM unnest($5::bigint[]) AS f (key)
		ORDER BY 2, 1 OFFSET 0) AS l`
)

// queueLocks takes the locks, all in the order of their keys, so that two transactions do not wait for each other.
func (b *Backend) queueLocks(batch *pgx.Batch, all []*filtered) {
	if len(all) == 0 {
		return
	}
	var collections, several, filters []int64
	var alone []bool
	var workspaces, apps, names []string
	for _, f := range all {
		collections, alone = append(collections, b.key(f.scope, "collection", f.collection)), append(alone, f.alone)
		several, names = append(several, b.key(f.scope, "several", f.collection)), append(names, f.collection)
		workspaces, apps = append(workspaces, f.scope.Workspace), append(apps, f.scope.StoredApp())
		filters = append(filters, f.filters...)
	}
	slices.Sort(filters)
	batch.Queue(collectionsSQL, collections, alone)
	batch.Queue(b.sql(filtersSQL), several, workspaces, apps, names, slices.Compact(filters))
}
