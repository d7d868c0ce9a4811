package main

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/backends/mongodb/mongodbtest"
	"github.com/secondgate/secondgate/backends/postgres/postgrestest"
	"github.com/secondgate/secondgate/backends/sqlite"
	"github.com/secondgate/secondgate/protocol"
)

// database is one that a gateway may serve, and the same work done by hand in it to compare with.
type database struct {
	name string
	// url is that of an empty one, for a gateway of its own.
	url func(ctx context.Context) (string, error)
	// fresh opens an empty one in this process.
	fresh func(ctx context.Context) (backends.Backend, error)
	// floor is a plain table; a backend that fresh has opened may be open beside it.
	floor func(ctx context.Context) (*floor, error)
	// rows is the content of b, to be copied by hand.
	rows func(ctx context.Context, b backends.Backend) (*rows, error)
}

// floor inserts documents by hand.
type floor struct {
	what   string
	insert func(ctx context.Context, n int64) error
	close  func() error
}

// rows copies the documents of a list out of the database, in its order, and keeps them.
type rows struct {
	what  string
	copy  func() (bytes int, err error)
	close func() error
}

// databases are the ones that -over names.
func (p *plan) databases(names []string) (all []*database, err error) {
	for _, name := range names {
		var d *database
		switch name {
		case "sqlite":
			d = p.overSQLite()
		case "postgres":
			d, err = p.overPostgres()
		case "mongodb":
			d, err = p.overMongoDB()
		default:
			err = fmt.Errorf("-over is of sqlite, postgres and mongodb, not %q", name)
		}
		if err != nil {
			return nil, err
		}
		all = append(all, d)
	}
	return all, nil
}

func (p *plan) overSQLite() *database {
	return &database{
		name: "SQLite FULL",
		url: func(context.Context) (string, error) {
			return "sqlite:" + p.file(fmt.Sprint("gateway", serial.Add(1))), nil
		},
		fresh: func(ctx context.Context) (backends.Backend, error) {
			return sqlite.Open(ctx, sqlite.Options{Path: p.file(fmt.Sprint("fresh", serial.Add(1)))})
		},
		floor: func(ctx context.Context) (*floor, error) {
			plain, err := openPlain(ctx, p.file(fmt.Sprint("plain", serial.Add(1))))
			if err != nil {
				return nil, err
			}
			insert := func(_ context.Context, n int64) error {
				return plain.write(protocol.NewID(time.Now()), document(n))
			}
			return &floor{"a  plain table, grouped commits, no change log", insert, plain.close}, nil
		},
		rows: rowsOfSQLite,
	}
}

// file is a database in the plan's folder.
func (p *plan) file(name string) string { return filepath.Join(p.dir, name+".db") }

// startPostgres starts a server, unless the plan names one.
func (p *plan) startPostgres() error {
	if p.postgres != "" {
		return nil
	}
	cluster, err := postgrestest.Launch()
	if err != nil {
		return fmt.Errorf("PostgreSQL: %w (or name a server with -postgres)", err)
	}
	p.postgres = cluster.URL()
	p.started = append(p.started, cluster.Close)
	return nil
}

// startMongoDB is the same for MongoDB.
func (p *plan) startMongoDB() error {
	if p.mongodb != "" {
		return nil
	}
	server, err := mongodbtest.Launch()
	if err != nil {
		return fmt.Errorf("MongoDB: %w (or name a server with -mongodb)", err)
	}
	p.mongodb = server.URL("bench")
	p.started = append(p.started, server.Close)
	return nil
}
