package postgres

import (
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

// filtered is one collection in which a transaction upserts by filter.
type filtered struct {
	collection string
	sets       []string
	filters    []int64 // keys of the filters' own locks
	alone      bool    // data changes what its own filter goes by, so that equal filters say nothing
}

// filtered are the collections of the transaction's upserts by filter, by name. A filter that names the id needs no lock:
// ids are unique.
func (t *transaction) filtered() (all []*filtered) {
	of := map[string]*filtered{}
	for i := range t.tx.Writes {
		w := &t.tx.Writes[i]
		if w.Op != backends.Upsert || w.Filter == nil || w.Filter.ID != "" || w.ID != "" {
			continue
		}
		f := of[w.Collection]
		if f == nil {
			f = &filtered{collection: w.Collection}
			of[w.Collection] = f
		}
		f.sets = append(f.sets, fieldsOf(w.Filter))
		f.filters = append(f.filters, t.key("filter", w.Collection, fieldsOf(w.Filter), string(w.Filter.Object())))
		f.alone = f.alone || overrides(w)
	}
	return slices.SortedFunc(maps.Values(of), func(a, b *filtered) int { return strings.Compare(a.collection, b.collection) })
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
func (t *transaction) key(parts ...string) int64 {
	h := fnv.New64a()
	for _, part := range append([]string{t.backend.schema, t.tx.Scope.Workspace, t.tx.Scope.StoredApp()}, parts...) {
		_ = binary.Write(h, binary.BigEndian, int64(len(part)))
		_, _ = h.Write([]byte(part))
	}
	return int64(h.Sum64())
}

// register sees to it that the table knows the sets of fields.
func (t *transaction) register(ctx context.Context, all []*filtered) error {
	for _, f := range all {
		for _, set := range f.sets {
			place := strings.Join([]string{t.tx.Scope.Workspace, t.tx.Scope.StoredApp(), f.collection, set}, "\x00")
			if _, known := t.backend.sets.Load(place); known {
				continue
			}
			err := pgx.BeginFunc(ctx, t.conn, func(tx pgx.Tx) error {
				if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock($1)", t.key("collection", f.collection)); err != nil {
					return err
				}
				_, err := tx.Exec(ctx, t.backend.sql("INSERT INTO @.app_data_filters VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING"),
					t.tx.Scope.Workspace, t.tx.Scope.StoredApp(), f.collection, set)
				return err
			})
			if err != nil {
				return err
			}
			t.backend.sets.Store(place, struct{}{})
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
		SELECT s.key, 0 AS part, s.n FROM unnest($1::bigint[], $2::text[]) WITH ORDINALITY AS s (key, collection, n)
		WHERE (SELECT count(*) FROM @.app_data_filters AS f WHERE f.workspace_id = $3 AND f.app_id = $4 AND f.collection = s.collection) > 1
		UNION ALL SELECT f.key, 1, f.n FROM unnest($5::bigint[]) WITH ORDINALITY AS f (key, n)
		ORDER BY 2, 3 OFFSET 0) AS l`
)

// queueLocks takes the locks, in an order of their own, so that two batches do not wait for each other.
func (t *transaction) queueLocks(batch *pgx.Batch, all []*filtered) {
	if len(all) == 0 {
		return
	}
	var collections, several, filters []int64
	var alone []bool
	var names []string
	for _, f := range all {
		collections, alone = append(collections, t.key("collection", f.collection)), append(alone, f.alone)
		several, names = append(several, t.key("several", f.collection)), append(names, f.collection)
		filters = append(filters, f.filters...)
	}
	slices.Sort(filters)
	batch.Queue(collectionsSQL, collections, alone)
	batch.Queue(t.backend.sql(filtersSQL), several, names, t.tx.Scope.Workspace, t.tx.Scope.StoredApp(), slices.Compact(filters))
}
