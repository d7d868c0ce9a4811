package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/backends/driverkit"
	"github.com/secondgate/secondgate/protocol"
)

// upsertGroup is upserts by filter that one transaction of the database carries out in two round
// trips. The first one takes the locks and looks all filters up. The second one has one statement
// for upserts that make a document and one for those that change one.
//
// No two upserts of a group mean the same document: all filters of a collection name the same
// fields with different values, and no upsert changes a field of its own filter. An upsert that
// does not fit into the group is carried out by itself later, with those that follow it in its run.
type upsertGroup struct {
	backend *Backend
	conn    connection
	runs    [][]*single // the upserts of each run that are in the group
	found   map[*single]*candidates
}

// candidates are the documents that an upsert may mean.
type candidates struct {
	docs []protocol.Document
	many bool // there are too many, or they are too large
}

// upsertable reports whether a write is an upsert by filter that can be decided with the lock of its
// filter and the index of values.
func (b *Backend) upsertable(w *backends.Write) bool {
	return driverkit.ByFilter(w) && !overrides(w) && b.rare(containment(w.Filter))
}

// upsertGroup carries out runs of upserts as far as it can. The error is one of the connection.
func (b *Backend) upsertGroup(ctx context.Context, conn connection, runs []*run) error {
	g := &upsertGroup{backend: b, conn: conn, found: map[*single]*candidates{}}
	g.choose(runs)
	err := g.lookUp(ctx)
	if errors.Is(err, errUnregistered) {
		err = g.register(ctx)
	}
	if err == nil {
		if g.decide(); len(g.all()) > 0 {
			return settleGroup(conn, g.store(ctx), g.all())
		}
	}
	_ = g.rollback(ctx) // if the connection breaks here, nothing has been stored
	return nil
}

func (g *upsertGroup) rollback(ctx context.Context) error {
	t := transaction{conn: g.conn}
	return t.rollback(ctx)
}

// register registers the group's sets of fields, and looks up again.
func (g *upsertGroup) register(ctx context.Context) error {
	err := g.rollback(ctx)
	if err == nil {
		err = g.backend.register(ctx, g.conn, g.filterUses())
	}
	if err != nil {
		return err
	}
	return g.lookUp(ctx)
}

func (g *upsertGroup) filterUses() []*filterUse {
	var txs []*backends.Tx
	for _, s := range g.all() {
		txs = append(txs, s.tx)
	}
	return g.backend.filterUses(txs...)
}

// choose takes the first upserts of each run that fit into the group.
func (g *upsertGroup) choose(runs []*run) {
	sets, filters := map[protocol.Ref]string{}, map[protocol.Ref]bool{}
	for _, r := range runs {
		fits := 0
		for _, s := range r.singles {
			w := s.write()
			collection := protocol.Ref{Scope: s.tx.Scope, Collection: w.Collection}
			filter := protocol.Ref{Scope: s.tx.Scope, Collection: w.Collection, ID: string(w.Filter.Object())}
			set, known := sets[collection]
			if filters[filter] || known && set != fieldsOf(w.Filter) {
				break
			}
			sets[collection], filters[filter] = fieldsOf(w.Filter), true
			fits++
		}
		g.runs = append(g.runs, r.singles[:fits])
	}
}

// all returns the upserts of the group.
func (g *upsertGroup) all() (all []*single) {
	for _, r := range g.runs {
		all = append(all, r...)
	}
	return all
}

const (
	// lookUpSQL finds the candidates of each filter by the index of values, which does not know
	// scopes. It does not return the data of candidates that are too many or too large.
	lookUpSQL = `SELECT n.n, c.hits > 20 OR octet_length(c.data::text) > 16384, c.id,
	CASE WHEN c.hits <= 20 AND octet_length(c.data::text) <= 16384 THEN c.data::text END,
	c.created_at, c.updated_at
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[]) WITH ORDINALITY
	AS n (workspace_id, app_id, collection, pattern, n)
CROSS JOIN LATERAL (SELECT h.*, count(*) OVER () AS hits, row_number() OVER () AS nth FROM
	(SELECT o.* FROM @.app_data AS o WHERE o.data @> n.pattern::jsonb LIMIT 21) AS h) AS c
WHERE c.hits > 20 AND c.nth = 1
	OR c.workspace_id = n.workspace_id AND c.app_id = n.app_id AND c.collection = n.collection`
	// changeSQL replaces the data of many documents, as insertSQL inserts many. It leaves out
	// documents that have changed since they were found.
	changeSQL        = changeDocsSQL + changeLogSQL
	changeEntriesSQL = changeDocsSQL + `, entry AS (` + entryHeadSQL +
		`unnest($13::bigint[], $14::text[], $15::text[], $16::bytea[], $17::timestamptz[], $18::timestamptz[])` +
		entryTailSQL + `)` + changeLogSQL

	changeDocsSQL = `WITH input AS MATERIALIZED (
	SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[],
			$7::timestamptz[], $8::bytea[], $9::bytea[], $10::bytea[], $11::text[], $12::timestamptz[])
		WITH ORDINALITY
		AS i (actor, workspace_id, app_id, collection, id, data, at, key, digest, result, was, was_at, n)
), doc AS (
	UPDATE @.app_data AS d SET data = input.data::jsonb, updated_at = input.at FROM input
	WHERE d.workspace_id = input.workspace_id AND d.app_id = input.app_id
		AND d.collection = input.collection AND d.id = input.id
		AND d.updated_at = input.was_at AND d.data = input.was::jsonb
		AND (key IS NULL OR (SELECT m.at FROM @.app_data_mutations AS m WHERE m.key = input.key LIMIT 1) IS NULL)
	RETURNING d.workspace_id, d.app_id, d.collection, d.id
), mutation AS (
	INSERT INTO @.app_data_mutations (key, at, digest, result)
	SELECT key, at, digest, result FROM input JOIN doc USING (workspace_id, app_id, collection, id)
	WHERE key IS NOT NULL
)`
	changeLogSQL = `
INSERT INTO @.app_data_changes (workspace_id, app_id, collection, id, op, actor)
SELECT workspace_id, app_id, collection, id, 'update', actor
FROM input JOIN doc USING (workspace_id, app_id, collection, id)
RETURNING workspace_id, app_id, collection, id, xid::text, (SELECT token::text FROM @.app_data_epoch)`
)

// lookUp takes the locks and reads the candidates of all filters.
func (g *upsertGroup) lookUp(ctx context.Context) error {
	b, all := g.backend, g.all()
	var workspace, app, collection, pattern []string
	for _, s := range all {
		workspace, app = append(workspace, s.tx.Scope.Workspace), append(app, s.tx.Scope.StoredApp())
		collection = append(collection, s.write().Collection)
		pattern = append(pattern, containment(s.write().Filter))
		g.found[s] = &candidates{}
	}
	unregistered := false
	batch := &pgx.Batch{}
	batch.Queue("BEGIN")
	batch.Queue(briefSettings)
	batch.Queue(upsertSettings)
	b.queueLocks(batch, g.filterUses(), &unregistered)
	batch.Queue(b.sql(lookUpSQL), workspace, app, collection, pattern).
		Query(func(rows pgx.Rows) error { return g.takeCandidates(rows, all) })
	if err := g.conn.SendBatch(ctx, batch).Close(); err != nil || !unregistered {
		return err
	}
	return errUnregistered
}

func (g *upsertGroup) takeCandidates(rows pgx.Rows, all []*single) error {
	var n int
	var many bool
	var r row
	_, err := pgx.ForEachRow(rows, append([]any{&n, &many}, r.into()...), func() error {
		s := all[n-1]
		f := g.found[s]
		if f.many = f.many || many; f.many {
			return nil
		}
		if doc := g.backend.document(s.tx.Scope, s.write().Collection, &r); doc != nil {
			f.docs = append(f.docs, *doc)
		}
		return nil
	})
	return err
}

// decide decides each upsert on its candidates, and cuts a run before an upsert that a group cannot
// decide. A run also ends after its first update: if the document has changed since, the update is
// repeated later, and the upserts that follow must come after it.
func (g *upsertGroup) decide() {
	for i, r := range g.runs {
		fits := 0
		for fits < len(r) {
			s, f := r[fits], g.found[r[fits]]
			if f.many || s.apply(backends.Newest(*s.write().Filter, f.docs)) != nil {
				break
			}
			if fits++; s.change.Op == backends.Update {
				break
			}
		}
		g.runs[i] = r[:fits]
	}
}

// store stores what has been decided, and commits.
func (g *upsertGroup) store(ctx context.Context) error {
	var inserts, updates []*single
	byRef := map[protocol.Ref]*single{}
	for _, s := range g.all() {
		byRef[s.change.Ref] = s
		if s.change.Op == backends.Update {
			updates = append(updates, s)
		} else {
			inserts = append(inserts, s)
		}
	}
	take := func(rows pgx.Rows) error { return noteStored(rows, byRef) }
	batch := &pgx.Batch{}
	if len(inserts) > 0 {
		sql, args := insertStatement(inserts)
		batch.Queue(g.backend.sql(sql), args...).Query(take)
	}
	if len(updates) > 0 {
		sql, args := changeSQL, append(columnsOf(updates), foundColumns(updates)...)
		if entries := entryColumns(updates); entries != nil {
			sql, args = changeEntriesSQL, append(args, entries...)
		}
		batch.Queue(g.backend.sql(sql), args...).Query(take)
	}
	batch.Queue("COMMIT")
	return g.conn.SendBatch(ctx, batch).Close()
}

// foundColumns returns the parameters of changeSQL that say how the documents were found.
func foundColumns(updates []*single) []any {
	was, at := make([]string, len(updates)), make([]time.Time, len(updates))
	for i, s := range updates {
		was[i], at[i] = string(s.change.Before.Data), s.change.Before.Updated
	}
	return []any{was, at}
}
