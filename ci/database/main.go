// Command database runs a database server for tests that are not written in Go, and writes into it as a
// program does that knows nothing of the gateway.
//
//	database postgres|mongodb
//
// The first line that it prints is the server's URL for --backend. Then, for each line on standard input that
// is a JSON list of names, it inserts a document {"name": …} for each into the collection leads of the app a
// in the workspace w, in one transaction, and prints a line. It ends the server when standard input ends.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/jackc/pgx/v5"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/secondgate/secondgate/backends/mongodb/mongodbtest"
	"github.com/secondgate/secondgate/backends/postgres/postgrestest"
)

// insert inserts documents in one transaction.
type insert func(ctx context.Context, names []string) error

func main() {
	if err := run(context.Background(), os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, arguments []string) error {
	if len(arguments) != 1 {
		return fmt.Errorf("name the database: postgres or mongodb")
	}
	var into insert
	var server io.Closer
	var url string
	switch arguments[0] {
	case "postgres":
		c, err := postgrestest.Launch()
		if err != nil {
			return err
		}
		server, url, into = c, c.URL(), func(ctx context.Context, names []string) error {
			return intoPostgres(ctx, c.URL(), names)
		}
	case "mongodb":
		m, err := mongodbtest.Launch()
		if err != nil {
			return err
		}
		server, url, into = m, m.URL("test"), func(ctx context.Context, names []string) error {
			return intoMongoDB(ctx, m.URL("test"), names)
		}
	default:
		return fmt.Errorf("%s is no database of these: postgres, mongodb", arguments[0])
	}
	defer func() { _ = server.Close() }()
	fmt.Println(url)
	return insertLines(ctx, into)
}

func insertLines(ctx context.Context, into insert) error {
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		var names []string
		if err := json.Unmarshal(lines.Bytes(), &names); err != nil {
			return err
		}
		if err := into(ctx, names); err != nil {
			return err
		}
		fmt.Println("inserted")
	}
	return lines.Err()
}

func intoPostgres(ctx context.Context, url string, names []string) error {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }()
	_, err = conn.Exec(ctx, `INSERT INTO app_data (workspace_id, app_id, collection, data)
		SELECT 'w', 'a', 'leads', jsonb_build_object('name', n) FROM unnest($1::text[]) AS n`, names)
	return err
}

func intoMongoDB(ctx context.Context, url string, names []string) error {
	client, err := mongo.Connect(options.Client().ApplyURI(url))
	if err != nil {
		return err
	}
	defer func() { _ = client.Disconnect(ctx) }()
	var docs []any
	for _, name := range names {
		now := time.Now()
		docs = append(docs, bson.D{
			{Key: "_id", Value: bson.NewObjectID().Hex()}, {Key: "workspaceId", Value: "w"}, {Key: "appId", Value: "a"},
			{Key: "collection", Value: "leads"}, {Key: "data", Value: bson.D{{Key: "name", Value: name}}},
			{Key: "createdAt", Value: now}, {Key: "updatedAt", Value: now},
		})
	}
	session, err := client.StartSession()
	if err != nil {
		return err
	}
	defer session.EndSession(ctx)
	_, err = session.WithTransaction(ctx, func(ctx context.Context) (any, error) {
		return client.Database("test").Collection("app_data").InsertMany(ctx, docs)
	})
	return err
}
