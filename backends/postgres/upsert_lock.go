package postgres

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"time"

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
// The table app_data_filters has the sets in use, for all gateways: two of a collection at most,
// since more make no difference. An upsert holds a shared lock of the collection while it relies on
// the table. A gateway that adds or removes a set holds the same lock exclusively.

// fieldsTime is how long a set of fields stays registered. The next upsert registers it again.
const fieldsTime = 24 * time.Hour

// maxFieldsText is the length from which on a set of fields is stored as its hash. A row of an
// index has at most 2,704 bytes.
const maxFieldsText = 200

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

// fieldsOf names a filter's fields in the order of canonical JSON, or by their hash.
func fieldsOf(f *protocol.Filter) string {
	set := []byte{'['}
	for _, c := range f.Conditions {
		set = append(protocol.AppendString(set, c.Field), ',')
	}
	if f.Paths {
		set = append(set, "paths"...)
	}
	if set = append(set, ']'); len(set) > maxFieldsText {
		return fmt.Sprintf("%x", sha256.Sum256(set))
	}
	return string(set)
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

// errUnregistered means that a transaction relies on sets of fields that are not registered.
var errUnregistered = errors.New("a set of fields is not registered")

// register adds the sets of fields to app_data_filters. No transaction is open on the connection.
func (b *Backend) register(ctx context.Context, conn connection, all []*filterUse) error {
	for _, f := range all {
		for _, set := range slices.Compact(slices.Sorted(slices.Values(f.sets))) {
			err := pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
				lock := b.lockKey(f.scope, "collection", f.collection)
				if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock($1)", lock); err != nil {
					return err
				}
				const sql = `INSERT INTO @.app_data_filters (workspace_id, app_id, collection, fields)
					SELECT $1, $2, $3, $4 WHERE (SELECT count(*) FROM @.app_data_filters
						WHERE workspace_id = $1 AND app_id = $2 AND collection = $3) < 2 ON CONFLICT DO NOTHING`
				_, err := tx.Exec(ctx, b.sql(sql), f.scope.Workspace, f.scope.StoredApp(), f.collection, set)
				return err
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// cleanFields removes the sets of fields that were registered before a time. It leaves those of
// collections in which an upsert is under way to a later call.
func (b *Backend) cleanFields(ctx context.Context, before time.Time) error {
	return b.read(ctx, "clean up", func(ctx context.Context, q querier) error {
		const old = `SELECT DISTINCT workspace_id, app_id, collection FROM @.app_data_filters
			WHERE at < $1 LIMIT 1000`
		rows, err := q.Query(ctx, b.sql(old), before)
		if err != nil {
			return err
		}
		var workspace, app, name string
		var places []protocol.Ref
		_, err = pgx.ForEachRow(rows, []any{&workspace, &app, &name}, func() error {
			places = append(places, protocol.Ref{Scope: protocol.StoredScope(workspace, app), Collection: name})
			return nil
		})
		for _, place := range places {
			if err == nil {
				err = b.cleanFieldsOf(ctx, q.(*pgx.Conn), place, before)
			}
		}
		return err
	})
}

func (b *Backend) cleanFieldsOf(
	ctx context.Context, conn *pgx.Conn, place protocol.Ref, before time.Time,
) error {
	return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		var mine bool
		lock := b.lockKey(place.Scope, "collection", place.Collection)
		err := tx.QueryRow(ctx, "SELECT pg_try_advisory_xact_lock($1)", lock).Scan(&mine)
		if err != nil || !mine {
			return err
		}
		const sql = `DELETE FROM @.app_data_filters
			WHERE workspace_id = $1 AND app_id = $2 AND collection = $3 AND at < $4`
		_, err = tx.Exec(ctx, b.sql(sql), place.Scope.Workspace, place.Scope.StoredApp(), place.Collection, before)
		return err
	})
}

const (
	// collectionsSQL locks collections, shared or exclusively. app_data_filters must be read in a
	// later statement, whose snapshot is newer than the locks.
	collectionsSQL = `SELECT CASE WHEN exclusive THEN pg_advisory_xact_lock(key)
			ELSE pg_advisory_xact_lock_shared(key) END
		FROM unnest($1::bigint[], $2::boolean[]) WITH ORDINALITY AS l (key, exclusive, n) ORDER BY n`
	// unregisteredSQL tells whether a set of fields is missing, where it would make a difference.
	unregisteredSQL = `SELECT EXISTS (
		SELECT FROM unnest($1::text[], $2::text[], $3::text[], $4::text[])
			AS s (workspace_id, app_id, collection, fields)
		WHERE NOT EXISTS (SELECT FROM @.app_data_filters AS f
			WHERE f.workspace_id = s.workspace_id AND f.app_id = s.app_id AND f.collection = s.collection
				AND f.fields = s.fields)
		AND (SELECT count(*) FROM @.app_data_filters AS f
			WHERE f.workspace_id = s.workspace_id AND f.app_id = s.app_id AND f.collection = s.collection) < 2)`
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
// other. missing is set if the locks do not suffice, because of errUnregistered.
func (b *Backend) queueLocks(batch *pgx.Batch, all []*filterUse, missing *bool) {
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
	batch.Queue(b.sql(unregisteredSQL), setColumns(all)...).
		QueryRow(func(r pgx.Row) error { return r.Scan(missing) })
	batch.Queue(b.sql(filtersSQL), several, workspaces, apps, names, slices.Compact(filters))
}

// setColumns returns the parameters of unregisteredSQL.
func setColumns(all []*filterUse) []any {
	var workspaces, apps, names, sets []string
	for _, f := range all {
		for _, set := range slices.Compact(slices.Sorted(slices.Values(f.sets))) {
			workspaces, apps = append(workspaces, f.scope.Workspace), append(apps, f.scope.StoredApp())
			names, sets = append(names, f.collection), append(sets, set)
		}
	}
	return []any{workspaces, apps, names, sets}
}
