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
	"github.com/secondgate/secondgate/backends/driverkit"
	"github.com/secondgate/secondgate/protocol"
)

// Two upserts by filter that find nothing must not both make a document which the other one means.
// As long as all filters of a collection name the same fields, only equal filters can mean one
// document: each upsert locks its filter. Once a second set of fields is in use, filters can
// overlap without being equal: then upserts of that collection are carried out one after the other.
//
// The table app_data_filters has the sets in use, for all gateways. An upsert holds a shared lock
// of the collection while it relies on the table. A gateway that adds a set holds the same lock
// exclusively.

// filterUse is a collection in which a transaction of the database upserts by filter.
type filterUse struct {
	scope      protocol.Scope
	collection string
	sets       []string // of fields, one per filter
	filters    []int64  // the keys of the filters' own locks
	// exclusive is true if an upsert changes a field of its own filter: then comparing filters
	// proves nothing.
	exclusive bool
}

// filterUses returns the collections of upserts by filter, in the order of their locks. A filter
// that names the id needs no lock: ids are unique.
func (b *Backend) filterUses(txs ...*backends.Tx) []*filterUse {
	of := map[protocol.Ref]*filterUse{} // by collection, as a Ref without an id
	for _, tx := range txs {
		for i := range tx.Writes {
			w := &tx.Writes[i]
			if !driverkit.ByFilter(w) {
				continue
			}
			place := protocol.Ref{Scope: tx.Scope, Collection: w.Collection}
			f := of[place]
			if f == nil {
				f = &filterUse{scope: tx.Scope, collection: w.Collection}
				of[place] = f
			}
			set := fieldsOf(w.Filter)
			f.sets = append(f.sets, set)
			f.filters = append(f.filters, b.lockKey(tx.Scope, "filter", w.Collection, set, string(w.Filter.Object())))
			f.exclusive = f.exclusive || overrides(w)
		}
	}
	return slices.SortedFunc(maps.Values(of), func(x, y *filterUse) int {
		return cmp.Compare(
			b.lockKey(x.scope, "collection", x.collection), b.lockKey(y.scope, "collection", y.collection))
	})
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

// overrides reports whether the filter may not match the document that the upsert makes. With paths
// it does not look, and returns true.
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

// lockKey is the key of an advisory lock. Such locks belong to the database, so the key tells
// schemas and scopes apart.
func (b *Backend) lockKey(s protocol.Scope, parts ...string) int64 {
	h := fnv.New64a()
	for _, part := range append([]string{b.schema, s.Workspace, s.StoredApp()}, parts...) {
		_ = binary.Write(h, binary.BigEndian, int64(len(part)))
		_, _ = h.Write([]byte(part))
	}
	return int64(h.Sum64())
}

// registerFields adds the sets of fields to app_data_filters, unless this process knows that they
// are there.
func (b *Backend) registerFields(ctx context.Context, conn connection, all []*filterUse) error {
	for _, f := range all {
		for _, set := range f.sets {
			place := strings.Join([]string{f.scope.Workspace, f.scope.StoredApp(), f.collection, set}, "\x00")
			if _, known := b.fieldSets.Load(place); known {
				continue
			}
			err := pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
				lock := b.lockKey(f.scope, "collection", f.collection)
				if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock($1)", lock); err != nil {
					return err
				}
				const sql = "INSERT INTO @.app_data_filters VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING"
				_, err := tx.Exec(ctx, b.sql(sql), f.scope.Workspace, f.scope.StoredApp(), f.collection, set)
				return err
			})
			if err != nil {
				return err
			}
			b.fieldSets.Store(place, struct{}{})
		}
	}
	return nil
}

const (
	// collectionsSQL locks collections, shared or exclusively. app_data_filters must be read in a
	// later statement, whose snapshot is newer than the locks.
	collectionsSQL = `SELECT CASE WHEN exclusive THEN pg_advisory_xact_lock(key)
			ELSE pg_advisory_xact_lock_shared(key) END
		FROM unnest($1::bigint[], $2::boolean[]) WITH ORDINALITY AS l (key, exclusive, n) ORDER BY n`
	// filtersSQL locks the collections in which several sets of fields are in use, then the
	// filters.
	filtersSQL = `SELECT pg_advisory_xact_lock(key) FROM (
		SELECT s.key, 0 AS part
		FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[]) AS s (key, workspace_id, app_id, collection)
		WHERE (SELECT count(*) FROM @.app_data_filters AS f
			WHERE f.workspace_id = s.workspace_id AND f.app_id = s.app_id AND f.collection = s.collection) > 1
		UNION ALL SELECT f.key, 1 FROM unnest($5::bigint[]) AS f (key)
		ORDER BY 2, 1 OFFSET 0) AS l`
)

// queueLocks queues the locks in the order of their keys, so two transactions do not wait for each
// other.
func (b *Backend) queueLocks(batch *pgx.Batch, all []*filterUse) {
	if len(all) == 0 {
		return
	}
	var collections, several, filters []int64
	var exclusive []bool
	var workspaces, apps, names []string
	for _, f := range all {
		collections = append(collections, b.lockKey(f.scope, "collection", f.collection))
		exclusive = append(exclusive, f.exclusive)
		several = append(several, b.lockKey(f.scope, "several", f.collection))
		workspaces, apps = append(workspaces, f.scope.Workspace), append(apps, f.scope.StoredApp())
		names = append(names, f.collection)
		filters = append(filters, f.filters...)
	}
	slices.Sort(filters)
	batch.Queue(collectionsSQL, collections, exclusive)
	batch.Queue(b.sql(filtersSQL), several, workspaces, apps, names, slices.Compact(filters))
}
