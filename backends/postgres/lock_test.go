package postgres_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/backends/postgres"
	"github.com/secondgate/secondgate/backends/postgres/postgrestest"
	"github.com/secondgate/secondgate/protocol"
)

// TestWritesTakeNoNotifyLock: commits that notify wait for one lock of the whole server, "database
// 0". While another session holds it, the gateway's writes succeed, and an outside write, which
// notifies, waits. The session that holds it is a commit that waits for a standby which never
// comes.
func TestWritesTakeNoNotifyLock(t *testing.T) {
	t.Parallel()
	c := postgrestest.Start(t, "synchronous_standby_names = 'nobody'", "synchronous_commit = local")
	b := open(t, c.URL())
	write(t, b, tx(insert("before", `{}`)))
	holder, looker := outsider(t, c.URL()), outsider(t, c.URL())
	holder.do("SET synchronous_commit = on")
	pid := holder.value("pg_backend_pid()")
	held := make(chan error, 1)
	go func() {
		_, err := holder.Exec(context.Background(), "CREATE TABLE held (); NOTIFY anything")
		held <- err
	}()
	const lock = "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'object' AND database = 0 AND classid " +
		"= 'pg_database'::regclass AND objid = 0 AND granted AND pid = $1::text::int)"
	require.Eventually(t, func() bool { return looker.value(lock, pid) == "true" }, 30*time.Second,
		10*time.Millisecond)

	out, err := postgrestest.TryPSQL(c.URL(), "SET lock_timeout = '300ms'; "+put("stranger", `{}`))
	require.Error(t, err, "a stranger's commit does not wait: the test shows nothing")
	require.Contains(t, out, "ERROR:  55P03")

	require.NoError(t, writeAllKinds(t, b, 10*time.Second))
	looker.do("CREATE FUNCTION planted() RETURNS trigger LANGUAGE plpgsql " +
		"AS 'BEGIN NOTIFY anything; RETURN NULL; END'")
	looker.do("CREATE TRIGGER planted AFTER INSERT ON app_data FOR EACH STATEMENT EXECUTE FUNCTION planted()")
	require.ErrorIs(t, writeAllKinds(t, b, 2*time.Second), context.DeadlineExceeded,
		"writes that notify do not wait: the test shows nothing")
	require.Equal(t, "true", looker.value(lock, pid), "the lock was not held all the time")
	looker.do("SELECT pg_cancel_backend($1::text::int)", pid)
	require.NoError(t, <-held)
}

// TestAStrangersLocksHoldUpTheirDocumentsOnly: while another program has changed many documents in a
// transaction that stays open, writes to those wait, and all others are carried out.
func TestAStrangersLocksHoldUpTheirDocumentsOnly(t *testing.T) {
	t.Parallel()
	b, url := fresh(t)
	const documents = 50 // more than there are connections
	id := func(i int) string { return fmt.Sprint("held", i) }
	for i := range documents {
		write(t, b, tx(insert(id(i), `{}`)))
	}
	stranger := outsider(t, url)
	stranger.do("BEGIN")
	stranger.do(`UPDATE app_data SET data = data || '{"stranger":1}'`)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	held := make(chan error, documents)
	for i := range documents {
		go func() {
			_, err := backends.WriteOne(ctx, b, tx(upsert(id(i), `{"gateway":1}`)))
			held <- err
		}()
	}
	for i := range 20 {
		other := fmt.Sprint("other", i)
		for _, w := range []backends.Write{insert(other, `{}`), upsert(other, `{"n":1}`)} {
			_, err := backends.WriteOne(ctx, b, tx(w))
			require.NoError(t, err)
		}
	}
	require.Empty(t, held, "the documents are not held")
	stranger.do("COMMIT")
	for range documents {
		require.NoError(t, <-held)
	}
	for _, d := range list(t, b).Docs {
		if strings.HasPrefix(d.ID, "held") {
			require.JSONEq(t, `{"stranger":1,"gateway":1}`, string(d.Data), d.ID)
		}
	}
}

// writeAllKinds makes every kind of write, singly and in batches with a mutation id.
func writeAllKinds(t *testing.T, b *postgres.Backend, limit time.Duration) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	filter, err := protocol.ParseFilter([]byte(`{"k":1}`), false)
	require.NoError(t, err)
	id := protocol.NewID(time.Now())
	txs := []backends.Tx{
		tx(insert(id, `{}`)), tx(backends.Write{Op: backends.Update, Collection: "notes", ID: id,
			Data: []byte(`{"n":1}`)}),
		tx(backends.Write{Op: backends.Delete, Collection: "notes", ID: id}), tx(upsert("b", `{}`)),
		tx(backends.Write{Op: backends.Upsert, Collection: "notes", NewID: protocol.NewID(time.Now()),
			Filter: &filter, Data: []byte(`{}`)}),
		tx(insert(id, `{}`)), tx(insert(id+"-1", `{}`), upsert(id+"-2", `{}`)),
	}
	txs[5].Mutation, txs[6].Mutation = id, id+"-1"
	for _, one := range txs {
		if _, err := backends.WriteOne(ctx, b, one); err != nil {
			return err
		}
	}
	return nil
}

func upsert(id, data string) backends.Write {
	return backends.Write{Op: backends.Upsert, Collection: "notes", ID: id, Data: []byte(data)}
}
