package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/backends/postgres"
	"github.com/secondgate/secondgate/protocol"
)

// The floors of PostgreSQL: the same columns and indexes without triggers, by pgx and one prepared statement; and the
// same rows that a write of the gateway makes, all of them, by hand in one statement.
const (
	plainTables = `CREATE SCHEMA bench_plain;
CREATE TABLE bench_plain.app_data (workspace_id text COLLATE "C" NOT NULL, app_id text COLLATE "C" NOT NULL, collection text COLLATE "C" NOT NULL,
	id text COLLATE "C" NOT NULL, data jsonb NOT NULL, created_at timestamptz(3) NOT NULL, updated_at timestamptz(3) NOT NULL,
	PRIMARY KEY (workspace_id, app_id, collection, id));
CREATE INDEX ON bench_plain.app_data (workspace_id, app_id, collection, updated_at DESC, id);
CREATE INDEX ON bench_plain.app_data USING gin (data jsonb_path_ops) WITH (fastupdate = off);
CREATE TABLE bench_plain.by_hand (LIKE bench_plain.app_data INCLUDING ALL);
CREATE TABLE bench_plain.changes (seq bigint GENERATED ALWAYS AS IDENTITY, xid xid8 NOT NULL DEFAULT pg_current_xact_id(), workspace_id text COLLATE "C",
	app_id text COLLATE "C", collection text COLLATE "C", id text COLLATE "C", op text COLLATE "C", actor text COLLATE "C");
CREATE INDEX ON bench_plain.changes (xid);
CREATE INDEX ON bench_plain.changes (workspace_id, app_id, xid);
CREATE TABLE bench_plain.mutations (key bytea PRIMARY KEY, at timestamptz NOT NULL, digest bytea NOT NULL, result bytea NOT NULL);
CREATE INDEX ON bench_plain.mutations USING brin (at) WITH (pages_per_range = 16);`
	plainInsert  = `INSERT INTO bench_plain.app_data VALUES ('bench', 'bench', 'c', $1, $2::text::jsonb, $3, $3)`
	byHandInsert = `WITH m AS (INSERT INTO bench_plain.mutations VALUES ($4, $3, $5, $5) ON CONFLICT DO NOTHING RETURNING 1),
	d AS (INSERT INTO bench_plain.by_hand SELECT 'bench', 'bench', 'c', $1, $2::text::jsonb, $3, $3 FROM m RETURNING 1)
	INSERT INTO bench_plain.changes (workspace_id, app_id, collection, id, op) SELECT 'bench', 'bench', 'c', $1, 'insert' FROM d`
)

func benchPostgres(p *plan) error {
	if p.postgres == "" {
		fmt.Println("PostgreSQL: not measured; ci/bench.sh starts a server, -postgres URL names one")
		return nil
	}
	ctx := context.Background()
	pool, err := pgxpool.New(ctx, p.postgres+fmt.Sprintf("&pool_max_conns=%d", p.callers))
	if err != nil {
		return err
	}
	defer pool.Close()
	for _, sql := range []string{"DROP SCHEMA IF EXISTS bench_plain CASCADE", "DROP SCHEMA IF EXISTS bench CASCADE", "CREATE SCHEMA bench", plainTables} {
		if _, err := pool.Exec(ctx, sql); err != nil {
			return err
		}
	}
	backend, err := postgres.Open(ctx, postgres.Options{URL: p.postgres + "&schema=bench", Log: slog.New(slog.DiscardHandler)})
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
			return plain.measure(p, own, func(_ int, n int64) error {
				_, err := pool.Exec(ctx, plainInsert, protocol.NewID(time.Now()), document(n), time.Now())
				return err
			})
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
	fmt.Printf("PostgreSQL, %d callers: writes of 300 bytes                    writes/s               CPU µs/write (client)\n", p.callers)
	for _, row := range []struct {
		name string
		r    rate
	}{
		{"a  plain INSERTs by pgx, same columns and indexes", plain}, {"b  the same rows by hand, in one statement", byHand},
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

// insertAs is a write with a mutation of its own, or none.
func insertAs(ctx context.Context, b backends.Backend, n int64, mutation string) error {
	now := protocol.Millis(time.Now())
	_, err := backends.WriteOne(ctx, b, backends.Tx{
		Scope: scope, At: now, Mutation: mutation,
		Writes: []backends.Write{{Op: backends.Insert, Collection: "c", ID: protocol.NewID(now), Data: []byte(document(n))}},
	})
	return err
}
