package postgres_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/backends/postgres"
)

// ids are the ids of changes, in their order.
func ids(changes []backends.Change) (list []string) {
	for _, c := range changes {
		list = append(list, c.Ref.ID)
	}
	return list
}

// TestSlowCommit: changes of a transaction that got its numbers first and commits last are returned
// when it commits. Followers get them, and so do clients that resume from a cursor before or in
// between.
func TestSlowCommit(t *testing.T) {
	t.Parallel()
	b, url := fresh(t)
	f, start, slow := watch(t, b, nil), now(t, b), outsider(t, url)
	slow.do("BEGIN")
	slow.do(put("slow", `{"n":1}`))
	write(t, b, tx(insert("fast", `{"n":2}`)))
	require.Equal(t, []string{"fast"}, ids(changesNow(t, b, f)))
	between := f.Cursor()
	slow.do("COMMIT")
	require.Equal(t, []string{"slow"}, ids(changesNow(t, b, f)))
	require.Equal(t, []string{"slow", "fast"}, ids(since(t, b, start).Changes))
	require.Equal(t, []string{"slow"}, ids(since(t, b, between).Changes))
	require.Equal(t, []string{"slow"}, ids(changesNow(t, b, watch(t, b, between))))
}

// TestSavepoints: a change within a savepoint has a transaction number of its own, which no
// snapshot shows as committed. There are more than 64, which is more than a snapshot of PostgreSQL
// holds.
func TestSavepoints(t *testing.T) {
	t.Parallel()
	for _, savepoints := range []int{1, 3, 70} {
		t.Run(fmt.Sprint(savepoints), func(t *testing.T) {
			t.Parallel()
			b, url := fresh(t)
			f, slow := watch(t, b, nil), outsider(t, url)
			slow.do("BEGIN")
			for i := range savepoints {
				slow.do(fmt.Sprintf("SAVEPOINT s%d", i))
				slow.do(put(fmt.Sprint("in", i), `{}`))
			}
			slow.do("SAVEPOINT undone")
			slow.do(put("undone", `{}`))
			slow.do("ROLLBACK TO undone")
			write(t, b, tx(insert("fast", `{}`)))
			require.Equal(t, []string{"fast"}, ids(changesNow(t, b, f)))
			slow.do("COMMIT")
			require.Len(t, changesNow(t, b, f), savepoints)
			require.Len(t, list(t, b).Docs, savepoints+1)
		})
	}
}

// TestLongTransaction: an open transaction delays only its own changes, and cursors in the meantime
// are exact.
func TestLongTransaction(t *testing.T) {
	t.Parallel()
	b, url := fresh(t)
	f, long := watch(t, b, nil), outsider(t, url)
	start := f.Cursor()
	long.do("BEGIN")
	long.do(put("long", `{}`))
	for i := range 20 {
		id := fmt.Sprint("d", i)
		write(t, b, tx(insert(id, `{}`)))
		require.Equal(t, []string{id}, ids(changesNow(t, b, f)))
		require.Len(t, since(t, b, start).Changes, i+1)
	}
	long.do("COMMIT")
	require.Equal(t, []string{"long"}, ids(changesNow(t, b, f)))
}

// TestChangeNamesItsAuthor: a change names the actor that made the state that it has.
func TestChangeNamesItsAuthor(t *testing.T) {
	t.Parallel()
	b, url := fresh(t)
	require.NoError(t, inTurns(t, b, open(t, url)))
	require.NoError(t, afterWait(t, b, url, "waited"))
}

// by is a transaction of the named actor.
func by(name string, op backends.Op, id string) backends.Tx {
	one := tx(backends.Write{Op: op, Collection: "notes", ID: id, Data: []byte(`{"by":"` + name + `"}`)})
	one.By = backends.Actor{Kind: "user", ID: name}
	return one
}

// inTurns lets two gateways write one document in turns. It checks the changes after each three
// writes.
func inTurns(t *testing.T, b, other *postgres.Backend) error {
	gateways := []*postgres.Backend{b, other}
	for i := range 6 {
		from := now(t, b)
		for n := range 3 {
			who := (i + n) % 2
			write(t, gateways[who], by(fmt.Sprint(who), backends.Upsert, "turns"))
		}
		if err := madeIt(since(t, b, from), "turns"); err != nil {
			return err
		}
	}
	return nil
}

// afterWait lets a gateway insert a document while another program, which has inserted it, is about
// to delete it. The gateway must wait until that transaction has ended.
func afterWait(t *testing.T, b *postgres.Backend, url, id string) error {
	stranger, from := outsider(t, url), now(t, b)
	stranger.do("BEGIN")
	stranger.do(put(id, `{"by":"stranger"}`))
	inserted := make(chan error, 1)
	go func() {
		_, err := backends.WriteOne(context.Background(), b, by("gateway", backends.Insert, id))
		inserted <- err
	}()
	pid := stranger.value("pg_backend_pid()")
	require.Eventually(t, func() bool {
		return stranger.value("SELECT EXISTS (SELECT FROM pg_stat_activity WHERE $1::text::int = "+
			"ANY(pg_blocking_pids(pid)))", pid) == "true"
	}, 30*time.Second, time.Millisecond)
	stranger.do("DELETE FROM app_data WHERE id = '" + id + "'")
	stranger.do("COMMIT")
	require.NoError(t, <-inserted)
	return madeIt(since(t, b, from), id)
}

// madeIt fails if the change of a document does not name the actor that made its state.
func madeIt(batch backends.Batch, id string) error {
	for _, c := range batch.Changes {
		if c.Ref.ID != id {
			continue
		}
		var state struct{ By string }
		if c.Doc == nil {
			return errors.New("the change says that the document is gone")
		}
		if err := json.Unmarshal(c.Doc.Data, &state); err != nil {
			return err
		}
		if c.By.ID != state.By {
			return fmt.Errorf("%s names the wrong actor: %s", c.Doc.Data, c.By.ID)
		}
		return nil
	}
	return errors.New("there is no change of the document")
}
