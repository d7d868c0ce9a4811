package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"runtime"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/backends/sqlite"
	"github.com/secondgate/secondgate/protocol"
)

const listed = 10_000

// cost is the cost of one run.
type cost struct{ cpu, allocs, bytes series }

func (c *cost) measure(f func() (bytes int, err error)) error {
	runtime.GC()
	before, allocs := cpu(), mallocs()
	bytes, err := f()
	c.cpu = append(c.cpu, (cpu()-before)*1e3)
	c.allocs = append(c.allocs, mallocs()-allocs)
	c.bytes = append(c.bytes, float64(bytes))
	return err
}

// shelf is a database that holds the documents to list, and how they are copied out of it by hand.
type shelf struct {
	backend backends.Backend
	byHand  *rows
	copied  cost
}

func (d *database) shelf(ctx context.Context) (*shelf, error) {
	b, err := d.fresh(ctx)
	if err != nil {
		return nil, err
	}
	if err := fillCollection(ctx, b, "c", listed); err != nil {
		return nil, errors.Join(err, b.Close())
	}
	byHand, err := d.rows(ctx, b)
	if err != nil {
		return nil, errors.Join(err, b.Close())
	}
	return &shelf{backend: b, byHand: byHand}, nil
}

func (s *shelf) copy() error { return s.copied.measure(s.byHand.copy) }

func (s *shelf) close() error { return errors.Join(s.byHand.close(), s.backend.Close()) }

// benchLists lists 10,000 documents, encoded as a client gets them, beside copying the same rows
// out of the database that has them and, which is what the goal is set by, out of SQLite.
func benchLists(p *plan) error {
	ctx := context.Background()
	own, err := p.over.shelf(ctx)
	if err != nil {
		return err
	}
	lite := own
	if floor := p.overSQLite(); p.over.name != floor.name {
		if lite, err = floor.shelf(ctx); err != nil {
			return errors.Join(err, own.close())
		}
	}
	var list cost
	var documents series
	measurements := []func() error{
		own.copy,
		func() error { return list.measure(func() (int, error) { return listAll(ctx, own.backend, nil) }) },
		func() error {
			sum := 0
			_, err := listAll(ctx, own.backend, &sum)
			documents = append(documents, float64(sum))
			return err
		},
	}
	if lite != own {
		measurements = append(measurements, lite.copy)
	}
	err = errors.Join(p.interleave(measurements...), own.close())
	if lite != own {
		err = errors.Join(err, lite.close())
	}
	if err != nil {
		return err
	}
	fmt.Printf(
		"%-60s CPU ms                 bytes                allocations\n",
		fmt.Sprintf("A list of %d documents, %s", listed, p.over.name),
	)
	row := func(what string, c *cost) {
		fmt.Printf("  %-56s %-22s %-20s %s\n", what, c.cpu, digits(c.bytes.median()), c.allocs)
	}
	row(own.byHand.what, &own.copied)
	if lite != own {
		row(lite.byHand.what, &lite.copied)
	}
	row("Backend.List and its encoding, pages of 512 KiB", &list)
	goal("CPU of a list / copying the rows out of SQLite", list.cpu.over(lite.copied.cpu), true, 2)
	if lite != own {
		goal("CPU of a list / copying its own rows", list.cpu.over(own.copied.cpu), true, 2)
	}
	goal("bytes of a list / its documents' JSON", list.bytes.over(documents), true, 1.1)
	fmt.Println()
	return nil
}

func fillCollection(ctx context.Context, b backends.Backend, collection string, n int) error {
	const group = 500
	for first := 0; first < n; first += group {
		tx := backends.Tx{Scope: scope, At: protocol.Millis(clock())}
		for range group {
			tx.Writes = append(
				tx.Writes,
				backends.Write{
					Op: backends.Insert, Collection: collection, ID: protocol.NewID(tx.At),
					Data: []byte(document(serial.Add(1))),
				},
			)
		}
		if _, err := backends.WriteOne(ctx, b, tx); err != nil {
			return err
		}
	}
	return nil
}

// rowsOfSQLite reads the rows of a list.
func rowsOfSQLite(ctx context.Context, b backends.Backend) (*rows, error) {
	db, err := sql.Open("sqlite", "file:"+b.(*sqlite.Backend).Path()+"?_pragma=query_only(1)")
	if err != nil {
		return nil, err
	}
	return &rows{
		"the rows copied out of SQLite", func() (int, error) { return copySQLite(ctx, db) }, db.Close,
	}, nil
}

func copySQLite(ctx context.Context, db *sql.DB) (bytes int, err error) {
	rows, err := db.QueryContext(ctx, `SELECT id, data, created_at, updated_at FROM app_data
		WHERE workspace_id = ? AND app_id = ? AND collection = 'c' ORDER BY updated_at DESC, id`,
		scope.Workspace, scope.StoredApp())
	if err != nil {
		return 0, err
	}
	defer func() { _ = rows.Close() }()
	type row struct {
		id               string
		data             []byte
		created, updated int64
	}
	var all []row
	for rows.Next() {
		var r row
		if err := rows.Scan(&r.id, &r.data, &r.created, &r.updated); err != nil {
			return 0, err
		}
		all = append(all, r)
		bytes += len(r.data)
	}
	if len(all) != listed {
		return 0, fmt.Errorf("%d rows of %d", len(all), listed)
	}
	return bytes, rows.Err()
}

// listAll reads every page and encodes it, as the socket does; it adds up its documents by
// themselves, if that is asked for.
func listAll(ctx context.Context, b backends.Backend, documents *int) (bytes int, err error) {
	q := backends.Query{Collection: "c", MaxBytes: 512 << 10}
	request := &protocol.Request{Type: protocol.TypeList, RequestID: "1", Collection: "c"}
	docs := 0
	for more := true; more; {
		page, err := b.List(ctx, scope, q)
		if err != nil {
			return 0, err
		}
		answer := protocol.Answer{Request: request, Docs: page.Docs, Next: page.Next}
		bytes += len(answer.Append(nil))
		docs += len(page.Docs)
		for i := 0; documents != nil && i < len(page.Docs); i++ {
			*documents += len(page.Docs[i].Append(nil))
		}
		q.After, more = page.Next, page.Next != ""
	}
	if docs != listed {
		return 0, fmt.Errorf("%d documents of %d", docs, listed)
	}
	return bytes, nil
}
