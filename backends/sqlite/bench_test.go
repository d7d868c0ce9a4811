package sqlite_test

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/backends/sqlite"
	"github.com/secondgate/secondgate/protocol"
)

var body = `{"done":false,"notes":"` + strings.Repeat("x", 240) + `","title":"write it down"}`

// cpu reports the CPU time per operation. On a busy machine it varies less than elapsed time. The
// caller calls the function that it returns after n operations for each of b.N.
func cpu(b *testing.B, n int) func() {
	used := func() time.Duration {
		var u syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
			b.Fatal(err)
		}
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	start := used()
	return func() { b.ReportMetric(float64((used()-start).Microseconds())/float64(max(b.N, 1)*n), "cpu-µs/op") }
}

// callers divides b.N writes among 32 goroutines.
func callers(b *testing.B, do func(i int)) {
	var wg sync.WaitGroup
	work := make(chan int, 1024)
	for range 32 {
		wg.Go(func() {
			for i := range work {
				do(i)
			}
		})
	}
	for i := range b.N {
		work <- i
	}
	close(work)
	wg.Wait()
}

func BenchmarkWrite(b *testing.B) {
	for _, c := range []struct {
		name  string
		alter func(i int, tx *backends.Tx)
	}{
		{"insert", func(i int, tx *backends.Tx) {
			tx.Writes = []backends.Write{insert(protocol.NewID(tx.At), body)}
		}},
		{"insert, remembered", func(i int, tx *backends.Tx) {
			tx.Writes = []backends.Write{insert(protocol.NewID(tx.At), body)}
			tx.Mutation = fmt.Sprint("m", i)
		}},
		{"update", func(i int, tx *backends.Tx) {
			tx.Writes = []backends.Write{update(fmt.Sprint(i%100), `{"done":true}`)}
		}},
	} {
		b.Run(c.name, func(b *testing.B) {
			db := fresh(b)
			for i := range 100 {
				write(b, db, tx(insert(fmt.Sprint(i), body)))
			}
			f := watch(b, db, nil)
			ctx, stop := context.WithCancel(context.Background())
			var reader sync.WaitGroup
			reader.Go(func() {
				for {
					if _, err := f.Next(ctx); err != nil {
						return
					}
				}
			})
			b.ReportAllocs()
			b.ResetTimer()
			report := cpu(b, 1)
			callers(b, func(i int) {
				t := tx()
				c.alter(i, &t)
				if _, err := backends.WriteOne(context.Background(), db, t); err != nil {
					b.Error(err)
				}
			})
			report()
			b.StopTimer()
			stop()
			reader.Wait()
		})
	}
}

// BenchmarkPlain measures the floor: grouped commits into a table with a primary key and nothing
// else.
func BenchmarkPlain(b *testing.B) {
	db, err := sql.Open("sqlite",
		"file:"+b.TempDir()+"/plain.db?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)")
	require.NoError(b, err)
	defer db.Close()
	_, err = db.Exec("CREATE TABLE plain (workspace_id TEXT, app_id TEXT, collection TEXT, id TEXT, data " +
		"TEXT, created_at INTEGER, updated_at INTEGER, PRIMARY KEY (workspace_id, app_id, collection, id)) " +
		"WITHOUT ROWID")
	require.NoError(b, err)
	b.ReportAllocs()
	b.ResetTimer()
	report := cpu(b, 1)
	for n := 0; n < b.N; {
		tx, err := db.Begin()
		require.NoError(b, err)
		stmt, err := tx.Prepare("INSERT INTO plain VALUES (?, ?, ?, ?, ?, ?, ?)")
		require.NoError(b, err)
		for range 32 {
			_, err := stmt.Exec("w", "app", "notes", protocol.NewID(time.Now()), body, 1, 2)
			require.NoError(b, err)
			n++
		}
		require.NoError(b, tx.Commit())
	}
	report()
}

func filled(b *testing.B, n int) *sqlite.Backend {
	db := fresh(b)
	for done := 0; done < n; done += 100 {
		var t []backends.Tx
		for i := range 100 {
			t = append(t, tx(insert(protocol.NewID(time.Now()), fmt.Sprintf(`{"key":"k%d","notes":"%s"}`, done+i,
				strings.Repeat("x", 240)))))
		}
		for _, out := range db.Write(context.Background(), t) {
			require.NoError(b, out.Err)
		}
	}
	return db
}

func BenchmarkList(b *testing.B) {
	db := filled(b, 10_000)
	b.Run("List", func(b *testing.B) {
		b.ReportAllocs()
		report := cpu(b, 1)
		for b.Loop() {
			page, err := db.List(context.Background(), scope, backends.Query{Collection: "notes"})
			require.NoError(b, err)
			require.Len(b, page.Docs, 10_000)
		}
		report()
	})
	b.Run("copy", func(b *testing.B) {
		raw, err := sql.Open("sqlite", "file:"+db.Path())
		require.NoError(b, err)
		defer raw.Close()
		b.ReportAllocs()
		report := cpu(b, 1)
		for b.Loop() {
			rows, err := raw.Query("SELECT id, data, created_at, updated_at, rev FROM app_data WHERE workspace_id " +
				"= 'w' AND app_id = 'app' AND collection = 'notes'")
			require.NoError(b, err)
			var id, rev string
			var data []byte
			var created, updated int64
			for rows.Next() {
				if err := rows.Scan(&id, &data, &created, &updated, &rev); err != nil {
					b.Fatal(err)
				}
			}
			require.NoError(b, rows.Close())
		}
		report()
	})
	b.Run("page of 100", func(b *testing.B) {
		for b.Loop() {
			_, err := db.List(context.Background(), scope, backends.Query{Collection: "notes", Limit: 100})
			require.NoError(b, err)
		}
	})
	b.Run("Get", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, _, err := db.Get(context.Background(), note("none"), nil)
			require.NoError(b, err)
		}
	})
}

// BenchmarkUpsert makes 10,000 documents by one field in a collection of 10,000. Beside them it
// makes as many plain inserts.
func BenchmarkUpsert(b *testing.B) {
	const n = 10_000
	run := func(b *testing.B, make func(i int) backends.Write) {
		for b.Loop() {
			b.StopTimer()
			db := filled(b, n)
			b.StartTimer()
			report := cpu(b, n)
			var wg sync.WaitGroup
			for lane := range 32 {
				wg.Go(func() {
					for i := lane; i < n; i += 32 {
						if _, err := backends.WriteOne(context.Background(), db, tx(make(i))); err != nil {
							b.Error(err)
						}
					}
				})
			}
			wg.Wait()
			report()
			b.StopTimer()
			require.NoError(b, db.Close())
			b.StartTimer()
		}
	}
	b.Run("insert", func(b *testing.B) {
		run(b, func(int) backends.Write { return insert(protocol.NewID(time.Now()), body) })
	})
	b.Run("upsert", func(b *testing.B) {
		run(b, func(i int) backends.Write {
			f, err := protocol.ParseFilter([]byte(fmt.Sprintf(`{"key":"new%d"}`, i)), false)
			require.NoError(b, err)
			return backends.Write{Op: backends.Upsert, Collection: "notes", NewID: protocol.NewID(time.Now()),
				Filter: &f, Data: []byte(body)}
		})
	})
}
