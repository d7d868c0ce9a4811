package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/backends/postgres/postgrestest"
)

// chainWriter writes links of chains, one transaction after the other.
type chainWriter struct {
	*stress
	number int
	conn   *pgx.Conn
	dice   *rand.Rand
}

func newChainWriter(s *stress, number int) *chainWriter {
	conn, err := pgx.Connect(context.Background(), postgrestest.ForClients(s.url))
	require.NoError(s, err)
	s.Cleanup(func() { conn.Close(context.Background()) })
	// PREPARE TRANSACTION requires it; readers poll
	_, err = conn.Exec(context.Background(), "SET secondgate.notify = off")
	require.NoError(s, err)
	return &chainWriter{s, number, conn, rand.New(rand.NewPCG(1, uint64(number)))}
}

// one is true once in n times.
func (w *chainWriter) one(n int) bool { return w.dice.IntN(n) == 0 }

func (w *chainWriter) sleep(most time.Duration) {
	time.Sleep(time.Duration(w.dice.Int64N(int64(most)))) // it makes transactions overlap
}

func (w *chainWriter) write() {
	for w.ctx.Err() == nil {
		err := w.transaction()
		var state *pgconn.PgError
		if errors.As(err, &state) && (state.Code == "40001" || state.Code == "40P01") {
			_, err = w.conn.Exec(context.Background(), "ROLLBACK") // a conflict with others is expected
		}
		if err != nil {
			w.Errorf("writer %d: %v", w.number, err)
			return
		}
		w.sleep(20 * time.Millisecond)
	}
}

// transaction changes a few documents, in the order of their ids, so it does not wait for a writer
// that waits for it. Two writers keep some of their transactions open for long.
func (w *chainWriter) transaction() error {
	level := []string{"READ COMMITTED", "READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"}[w.dice.IntN(4)]
	if err := w.do("BEGIN ISOLATION LEVEL " + level); err != nil {
		return err
	}
	if w.one(4) {
		if err := w.do("SELECT pg_current_xact_id()"); err != nil { // it gets a low number and uses it late
			return err
		}
		w.sleep(10 * time.Millisecond)
	}
	ids := w.dice.Perm(chainDocs)[:1+w.dice.IntN(4)]
	slices.Sort(ids)
	for _, id := range ids {
		if err := w.steps(fmt.Sprintf("d%02d", id)); err != nil {
			return err
		}
		w.sleep(8 * time.Millisecond)
	}
	if w.number < 2 && w.one(3) {
		w.did.long.Add(1)
		time.Sleep(500*time.Millisecond + time.Duration(w.dice.Int64N(int64(2500*time.Millisecond))))
	}
	return w.end()
}

// steps change one document, some within savepoints, of which some are rolled back. There are more
// than 64, which is more than PostgreSQL caches.
func (w *chainWriter) steps(id string) error {
	savepoints := 0
	switch {
	case w.one(60):
		savepoints = 70
	case w.one(3):
		savepoints = 1 + w.dice.IntN(3)
	}
	for i := range savepoints {
		w.did.savepoints.Add(1)
		if err := w.do(fmt.Sprintf("SAVEPOINT s%d", i)); err != nil {
			return err
		}
		if err := w.step(id); err != nil {
			return err
		}
		if w.one(3) {
			if err := w.do(fmt.Sprintf("ROLLBACK TO s%d", i)); err != nil {
				return err
			}
		}
	}
	return w.step(id)
}

// step adds one link: a change, or a delete, after which the document begins a new incarnation. The
// number of a link is drawn under the row's lock, so it is in order.
func (w *chainWriter) step(id string) error {
	const (
		link = `INSERT INTO app_data (workspace_id, app_id, collection, id, data)
			VALUES ('w', 'app', 'notes', $1, '{"c":0,"v":0}')
			ON CONFLICT (workspace_id, app_id, collection, id) DO UPDATE
			SET data = jsonb_set(app_data.data, '{v}', to_jsonb((app_data.data->>'v')::int + 1))`
		begin = `UPDATE app_data SET data = jsonb_build_object('c', nextval('incarnations'), 'v', 1) WHERE id = $1
			AND data->>'c' = '0'`
	)
	if w.one(8) {
		return w.do("DELETE FROM app_data WHERE id = $1", id)
	}
	if err := w.do(link, id); err != nil {
		return err
	}
	return w.do(begin, id)
}

func (w *chainWriter) end() error {
	switch {
	case w.one(7):
		w.did.rollbacks.Add(1)
		return w.do("ROLLBACK")
	case w.one(12):
		return w.prepare()
	}
	err := w.do("COMMIT")
	if err == nil {
		w.did.commits.Add(1)
	}
	return err
}

func (w *chainWriter) prepare() error {
	name := fmt.Sprintf("'%s-%d'", postgrestest.SchemaOf(w.url), w.number)
	if err := w.do("PREPARE TRANSACTION " + name); err != nil {
		return err
	}
	w.sleep(30 * time.Millisecond)
	w.did.prepared.Add(1)
	if w.one(4) {
		w.did.rollbacks.Add(1)
		return w.do("ROLLBACK PREPARED " + name)
	}
	w.did.commits.Add(1)
	return w.do("COMMIT PREPARED " + name)
}

func (w *chainWriter) do(sql string, args ...any) error {
	_, err := w.conn.Exec(context.Background(), sql, args...)
	return err
}
