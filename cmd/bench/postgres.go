package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/backends/postgres"
	"github.com/secondgate/secondgate/protocol"
)

// The floors of PostgreSQL: the same columns and indexes without triggers, by pgx and one prepared
// statement; and the same rows that a write of the gateway makes, all of them, by hand in one
// statement.
const (
	plainTables = `CREATE SCHEMA bench_plain;
CREATE TABLE bench_plain.app_data (
	workspace_id text COLLATE "C" NOT NULL, app_id text COLLATE "C" NOT NULL,
	collection text COLLATE "C" NOT NULL,
	id text COLLATE "C" NOT NULL, data jsonb NOT NULL,
	created_at timestamptz(3) NOT NULL, updated_at timestamptz(3) NOT NULL,
	PRIMARY KEY (workspace_id, app_id, collection, id));
CREATE INDEX ON bench_plain.app_data
	((workspace_id || ''), (app_id || ''), (collection || ''), updated_at DESC, id);
CREATE INDEX ON bench_plain.app_data USING gin (data jsonb_path_ops) WITH (fastupdate = off);
CREATE TABLE bench_plain.by_hand (LIKE bench_plain.app_data INCLUDING ALL);
CREATE TABLE bench_plain.changes (
	seq bigint GENERATED ALWAYS AS IDENTITY, xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
	workspace_id text COLLATE "C", app_id text COLLATE "C", collection text COLLATE "C", id text COLLATE "C",
	op text COLLATE "C", actor text COLLATE "C");
CREATE INDEX ON bench_plain.changes (xid);
CREATE INDEX ON bench_plain.changes (workspace_id, app_id, xid);
CREATE TABLE bench_plain.mutations (
	key bytea PRIMARY KEY, at timestamptz NOT NULL, digest bytea NOT NULL, result bytea NOT NULL);
CREATE INDEX ON bench_plain.mutations USING brin (at) WITH (pages_per_range = 16);`
	plainInsert  = `INSERT INTO bench_plain.app_data VALUES ('bench', 'bench', 'c', $1, $2::text::jsonb, $3, $3)`
	byHandInsert = `WITH m AS (
		INSERT INTO bench_plain.mutations VALUES ($4, $3, $5, $5) ON CONFLICT DO NOTHING RETURNING 1),
	d AS (INSERT INTO bench_plain.by_hand
		SELECT 'bench', 'bench', 'c', $1, $2::text::jsonb, $3, $3 FROM m RETURNING 1)
	INSERT INTO bench_plain.changes (workspace_id, app_id, collection, id, op)
		SELECT 'bench', 'bench', 'c', $1, 'insert' FROM d`
)

func benchPostgres(p *plan) error {
	if err := p.startPostgres(); err != nil {
		return err
	}
	ctx := context.Background()
	for _, part := range []func(context.Context, *plan) error{
		postgresWrites, postgresUpserts, postgresLatency, postgresScopes,
	} {
		if err := part(ctx, p); err != nil {
			return err
		}
	}
	return nil
}

// freshPostgres opens a schema that is made anew.
func (p *plan) freshPostgres(ctx context.Context) (backends.Backend, error) {
	url, err := p.schema(ctx, "bench")
	if err != nil {
		return nil, err
	}
	return postgres.Open(ctx, postgres.Options{URL: url, Log: slog.New(slog.DiscardHandler)})
}

// schema makes a schema anew, and returns its URL.
func (p *plan) schema(ctx context.Context, name string) (string, error) {
	conn, err := pgx.Connect(ctx, p.postgres)
	if err != nil {
		return "", err
	}
	defer func() { _ = conn.Close(ctx) }()
	for _, sql := range []string{"DROP SCHEMA IF EXISTS " + name + " CASCADE", "CREATE SCHEMA " + name} {
		if _, err := conn.Exec(ctx, sql); err != nil {
			return "", err
		}
	}
	return p.postgres + "&schema=" + name, nil
}

// overPostgres starts a server, unless the plan names one.
func (p *plan) overPostgres() (*database, error) {
	if err := p.startPostgres(); err != nil {
		return nil, err
	}
	return &database{
		name: "PostgreSQL",
		url: func(ctx context.Context) (string, error) {
			return p.schema(
				ctx, fmt.Sprint("bench_", serial.Add(1)),
			)
		},
		fresh: p.freshPostgres,
		floor: func(ctx context.Context) (*floor, error) {
			pool, err := p.plainPostgres(ctx)
			if err != nil {
				return nil, err
			}
			insert := func(ctx context.Context, n int64) error { return insertPlain(ctx, pool, n) }
			return &floor{
				"a  plain INSERTs by pgx, same columns and indexes", insert, func() error { pool.Close(); return nil },
			}, nil
		},
		rows: func(ctx context.Context, _ backends.Backend) (*rows, error) {
			conn, err := pgx.Connect(ctx, p.postgres)
			if err != nil {
				return nil, err
			}
			return &rows{
				"the rows copied out of PostgreSQL by pgx", func() (int, error) { return copyPostgres(ctx, conn) },
				func() error { return conn.Close(ctx) },
			}, nil
		},
	}, nil
}

func copyPostgres(ctx context.Context, conn *pgx.Conn) (bytes int, err error) {
	type row struct {
		id, data         string
		created, updated time.Time
	}
	found, err := conn.Query(ctx, `SELECT id, data::text, created_at, updated_at FROM bench.app_data
		WHERE workspace_id = $1 AND app_id = $2 AND collection = 'c' ORDER BY updated_at DESC, id`,
		scope.Workspace, scope.StoredApp())
	if err != nil {
		return 0, err
	}
	all, err := pgx.CollectRows(found, func(r pgx.CollectableRow) (one row, err error) {
		err = r.Scan(&one.id, &one.data, &one.created, &one.updated)
		bytes += len(one.data)
		return one, err
	})
	if err == nil && len(all) != listed {
		err = fmt.Errorf("%d rows of %d", len(all), listed)
	}
	return bytes, err
}

// plainPostgres is a pool for all callers, and the floors' tables.
func (p *plan) plainPostgres(ctx context.Context) (*pgxpool.Pool, error) {
	pool, err := pgxpool.New(ctx, p.postgres+fmt.Sprintf("&pool_max_conns=%d", p.callers))
	if err != nil {
		return nil, err
	}
	for _, sql := range []string{"DROP SCHEMA IF EXISTS bench_plain CASCADE", plainTables} {
		if _, err := pool.Exec(ctx, sql); err != nil {
			pool.Close()
			return nil, err
		}
	}
	return pool, nil
}

func insertPlain(ctx context.Context, pool *pgxpool.Pool, n int64) error {
	_, err := pool.Exec(ctx, plainInsert, protocol.NewID(time.Now()), document(n), time.Now())
	return err
}

func postgresWrites(ctx context.Context, p *plan) error {
	pool, err := p.plainPostgres(ctx)
	if err != nil {
		return err
	}
	defer pool.Close()
	backend, err := p.freshPostgres(ctx)
	if err != nil {
		return err
	}
	stopFeed, err := drainFeed(ctx, backend)
	if err != nil {
		return err
	}
	var plain, byHand, without, with rate
	err = p.interleave(
		func() error {
			return plain.measure(p, own, func(_ int, n int64) error { return insertPlain(ctx, pool, n) })
		},
		func() error {
			return byHand.measure(p, own, func(_ int, n int64) error {
				key := fmt.Appendf(nil, "m%d-12345678", n)
				_, err := pool.Exec(ctx, byHandInsert, protocol.NewID(time.Now()), document(n), time.Now(), key, key)
				return err
			})
		},
		func() error {
			return without.measure(p, own, func(_ int, n int64) error { return insertAs(ctx, backend, n, "") })
		},
		func() error {
			return with.measure(p, own, func(_ int, n int64) error { return insert(ctx, backend, n) })
		},
	)
	stopFeed()
	if err := errors.Join(err, backend.Close()); err != nil {
		return err
	}
	fmt.Printf(
		"PostgreSQL, %d callers: writes of 300 bytes                    writes/s               CPU µs/write "+
			"(client)\n",
		p.callers,
	)
	for _, row := range []struct {
		name string
		r    rate
	}{
		{
			"a  plain INSERTs by pgx, same columns and indexes", plain,
		}, {"b  the same rows by hand, in one statement", byHand},
		{"Backend.Write without mutationId, feed on", without}, {"Backend.Write with mutationId, feed on", with},
	} {
		fmt.Printf("  %-56s %-22s %s\n", row.name, row.r.perSecond, row.r.cpu)
	}
	goal("writes/s without mutationId / a", without.perSecond.over(plain.perSecond), false, 0.85)
	goal("writes/s with mutationId / a", with.perSecond.over(plain.perSecond), false, 0.65)
	goal("writes/s with mutationId / b", with.perSecond.over(byHand.perSecond), false, 0.85)
	fmt.Println()
	return nil
}

// postgresUpserts writes 10,000 documents of new keys into a collection of 10,000.
func postgresUpserts(ctx context.Context, p *plan) error {
	var inserts, upserts series
	err := p.interleave(
		func() error { return p.tenThousand(ctx, &inserts, p.freshPostgres, insertKey) },
		func() error { return p.tenThousand(ctx, &upserts, p.freshPostgres, upsertKey) },
	)
	if err != nil {
		return err
	}
	fmt.Printf("%d documents of new keys into a collection of %d, PostgreSQL   seconds\n", listed, listed)
	fmt.Printf("  %-56s %s\n  %-56s %s\n", "inserts", inserts, "upserts by one field", upserts)
	goal("upserts / inserts", upserts.over(inserts), true, 2)
	fmt.Println()
	return nil
}

// postgresLatency writes 100 documents a second and measures each commit, and when the feed of a
// second gateway delivers it.
func postgresLatency(ctx context.Context, p *plan) error {
	writer, err := p.freshPostgres(ctx)
	if err != nil {
		return err
	}
	reader, err := postgres.Open(
		ctx, postgres.Options{URL: p.postgres + "&schema=bench", Log: slog.New(slog.DiscardHandler)},
	)
	if err != nil {
		return errors.Join(err, writer.Close())
	}
	feed, err := reader.Watch(ctx, nil)
	if err != nil {
		return err
	}
	arrivals := make(chan time.Time, 1)
	inner, cancel := context.WithCancel(ctx)
	go func() { // ends with the feed
		for batch, err := feed.Next(inner); err == nil; batch, err = feed.Next(inner) {
			if len(batch.Changes) > 0 {
				arrivals <- time.Now()
			}
		}
	}()
	time.Sleep(time.Second) // until LISTEN is heard
	var commits, seen, late, ratio series
	for range p.rounds {
		var commit, told series
		for range 100 {
			begun := time.Now()
			if err := insert(ctx, writer, serial.Add(1)); err != nil {
				cancel()
				return err
			}
			commit = append(commit, time.Since(begun).Seconds()*1000)
			told = append(told, (<-arrivals).Sub(begun).Seconds()*1000)
			time.Sleep(time.Until(begun.Add(10 * time.Millisecond)))
		}
		slices.Sort(told)
		commits, seen, late, ratio = append(
			commits, commit.median(),
		), append(
			seen, told.median(),
		), append(
			late, told[98],
		), append(
			ratio, told.median()/commit.median(),
		)
	}
	cancel()
	fmt.Printf(
		"PostgreSQL, 100 writes a second                               ms\n  %-56s %s\n  %-56s %s\n  %-56s %s\n",
		"the commit, p50", commits, "write -> told by another gateway's feed, p50", seen, "the same, p99", late,
	)
	fmt.Printf("  %-58s %s\n\n", "told / commit, p50", ratio)
	return errors.Join(feed.Close(), reader.Close(), writer.Close())
}

// postgresScopes has all callers write to 1,000 scopes, and to one.
func postgresScopes(ctx context.Context, p *plan) error {
	b, err := p.freshPostgres(ctx)
	if err != nil {
		return err
	}
	stop, err := drainFeed(ctx, b)
	if err != nil {
		return err
	}
	var one, many rate
	write := func(scopes int64) func(int, int64) error {
		return func(_ int, n int64) error {
			now := protocol.Millis(time.Now())
			_, err := backends.WriteOne(ctx, b, backends.Tx{
				Scope: protocol.Scope{
					Workspace: "bench", App: fmt.Sprint("a", n%scopes),
				}, At: now, Mutation: fmt.Sprint("m", n),
				Writes: []backends.Write{
					{Op: backends.Insert, Collection: "c", ID: protocol.NewID(now), Data: []byte(document(n))},
				},
			})
			return err
		}
	}
	err = p.interleave(
		func() error { return one.measure(p, own, write(1)) },
		func() error { return many.measure(p, own, write(1000)) },
	)
	stop()
	if err := errors.Join(err, b.Close()); err != nil {
		return err
	}
	fmt.Printf(
		"PostgreSQL, %d callers                                       writes/s\n  %-56s %s\n  %-56s %s\n",
		p.callers, "into one scope", one.perSecond, "into 1,000 scopes", many.perSecond,
	)
	fmt.Printf("  %-58s %s\n\n", "1,000 scopes / one", many.perSecond.over(one.perSecond))
	return nil
}

// insertAs is a write with a mutation of its own, or none.
func insertAs(ctx context.Context, b backends.Backend, n int64, mutation string) error {
	now := protocol.Millis(time.Now())
	_, err := backends.WriteOne(ctx, b, backends.Tx{
		Scope: scope, At: now, Mutation: mutation,
		Writes: []backends.Write{
			{Op: backends.Insert, Collection: "c", ID: protocol.NewID(now), Data: []byte(document(n))},
		},
	})
	return err
}
