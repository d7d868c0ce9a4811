package main

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/secondgate/secondgate/backends/mongodb/mongodbtest"
)

// theirs is a document of app_data with an _id and data.
func theirs(id, data any) bson.D {
	return bson.D{
		{Key: "_id", Value: id}, {Key: "workspaceId", Value: "w"}, {Key: "appId", Value: "a"},
		{Key: "collection", Value: "c"}, {Key: "data", Value: data},
	}
}

// TestCheckMongoDB: each thing that can be wrong with a database is found, and named with its way
// out.
func TestCheckMongoDB(t *testing.T) {
	t.Parallel()
	insert := func(docs ...any) func(context.Context, *mongo.Database) error {
		return func(ctx context.Context, db *mongo.Database) error {
			_, err := db.Collection("app_data").InsertMany(ctx, docs)
			return err
		}
	}
	for _, c := range []struct {
		name   string
		damage func(context.Context, *mongo.Database) error
		url    string // what becomes of the URL: old|new
		says   string // a line, as a regular expression
	}{
		{"nothing", nil, "", `ok   MongoDB \d+\.\d+\.\d+, primary of the replica set rs0$`},
		{"the clock", nil, "", `ok   the server's clock agrees$`},
		{"images", nil, "", `ok   pre- and post-images of app_data are on$`},
		{"indexes", nil, "", `ok   app_data has its indexes$`},
		{"documents", nil, "", `ok   clients can be shown every document \(0\)$`},
		{"history", nil, "", `ok   the oplog goes back .*, and takes \d+ of \d+ MB$`},
		{"expiry", nil, "", `ok   pre- and post-images are kept for as long as the retention$`},
		{"nobody asks", nil, "", `ok   the server asks nobody who they are$`},
		{"images off", func(ctx context.Context, db *mongo.Database) error {
			return db.RunCommand(
				ctx,
				bson.D{
					{Key: "collMod", Value: "app_data"},
					{Key: "changeStreamPreAndPostImages", Value: bson.D{{Key: "enabled", Value: false}}},
				},
			).Err()
		}, "", `warn pre- and post-images of app_data are off: .* -> .*db\.runCommand\({collMod: "app_data", changeStreamPreAndPostImages: {enabled: true}}\)`},
		{"an index dropped", func(ctx context.Context, db *mongo.Database) error {
			return db.Collection("app_data").Indexes().DropOne(ctx, "workspaceId_1_appId_1_collection_1_updatedAt_-1")
		}, "", `warn app_data has no index {"workspaceId": .*"updatedAt": .*} -> serve makes it, .*createIndex\(`},
		{
			"a value without JSON form", insert(theirs("x", bson.D{{Key: "r", Value: bson.Regex{Pattern: "x"}}})), "",
			`warn 1 documents are withheld from clients, one of them .*x.* -> see docs/operations.md`,
		},
		{
			"two of one id", insert(theirs("x", bson.D{}), theirs("w/a/c/x", bson.D{})), "",
			`warn 1 ids are there twice, one of them .*x.* -> remove one of the two`,
		},
		{
			"a document of nobody", insert(bson.D{{Key: "x", Value: 1}}), "",
			`warn 1 documents lack workspaceId, appId or collection`,
		},
		{
			"no collection", func(ctx context.Context, db *mongo.Database) error { return db.Drop(ctx) }, "",
			`warn the collection app_data is not there yet: serve makes it -> `,
		},
		{"a view", func(ctx context.Context, db *mongo.Database) error {
			if err := db.Collection("app_data").Drop(ctx); err != nil {
				return err
			}
			return db.CreateView(ctx, "app_data", "other", mongo.Pipeline{})
		}, "", `fail app_data is a view, not a collection -> name another database`},
		{
			"another replica set", nil, "replicaSet=rs0|replicaSet=rs1",
			`fail the MongoDB replica set is named rs0 -> write replicaSet=rs0 in the URL$`,
		},
		{
			"reads from secondaries", nil, "replicaSet=rs0|replicaSet=rs0&readPreference=secondary",
			`fail the MongoDB URL sets readPreference=secondary -> leave it out, the gateway needs primary$`,
		},
		{"no database", nil, "/test_|/?x=", `fail the MongoDB URL must name a database -> write mongodb://HOST`},
		{
			"nobody listens", nil, "127.0.0.1:|127.0.0.2:",
			`fail no host of the MongoDB URL answers -> look at its hosts and ports`,
		},
		{"another name for this machine", nil, "127.0.0.1:|localhost:", `ok   MongoDB `},
		{
			"a user where there are none", nil, "mongodb://|mongodb://nobody:x@",
			`fail the MongoDB user is refused, or lacks a right -> look at the URL`,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			url := mongodbtest.Database(t)
			o := operate(t, nil, "--backend", url)
			o.terminate()
			require.NoError(t, o.command.Wait(), "%s", o.log)
			if c.damage != nil {
				require.NoError(t, c.damage(t.Context(), databaseAt(t, url)))
			}
			if from, to, changes := strings.Cut(c.url, "|"); changes {
				require.Contains(t, url, from)
				url = strings.Replace(url, from, to, 1)
			}
			out, err := secondgate(t, nil, "check", "--backend", url)
			require.Regexp(t, "(?m)^"+c.says, out)
			require.Equal(
				t, strings.HasPrefix(c.says, "fail"), err != nil, "the exit status goes by the findings: %s", out,
			)
		})
	}
}

func databaseAt(t *testing.T, url string) *mongo.Database {
	t.Helper()
	path, _, _ := strings.Cut(url, "?")
	return mongodbtest.Client(t, url).Database(path[strings.LastIndex(path, "/")+1:])
}

// TestCheckMongoDBMakesNothing: a check of a new database leaves none.
func TestCheckMongoDBMakesNothing(t *testing.T) {
	t.Parallel()
	url := mongodbtest.Database(t)
	out, err := secondgate(t, nil, "check", "--backend", url)
	require.NoError(t, err, out)
	names, err := databaseAt(t, url).ListCollectionNames(t.Context(), bson.D{})
	require.NoError(t, err)
	require.Empty(t, names)
}

// TestCheckMongoDBServers: servers that cannot be served from are told apart, with replicaSet in
// the URL, where the client finds none, and without; and serve says the same.
func TestCheckMongoDBServers(t *testing.T) {
	t.Parallel()
	alone, bare := mongodbtest.StartStandalone(t), mongodbtest.StartUninitiated(t)
	for _, c := range []struct{ url, says string }{
		{
			alone.URL("apps"),
			`fail the MongoDB server is no member of a replica set -> start it with --replSet rs0 and run rs\.initiate\(\) once`,
		},
		{bare.URL("apps"), `fail the MongoDB replica set is not initiated -> run rs\.initiate\(\) once`},
	} {
		for _, url := range []string{
			c.url, strings.Replace(c.url, "?replicaSet=rs0", "?directConnection=true", 1),
		} {
			out, err := secondgate(t, nil, "check", "--backend", url)
			require.Error(t, err)
			require.Regexp(t, "(?m)^"+c.says, out, url)
			out, err = secondgate(t, nil, "serve", "--listen", "127.0.0.1:0", "--admin", "", "--backend", url)
			require.Error(t, err)
			require.Regexp(t, strings.Replace(strings.TrimPrefix(c.says, "fail "), " -> ", ": ", 1), out, url)
		}
	}
}

// TestCheckMongoDBHistory: what the server forgets before the retention has passed is a warning.
func TestCheckMongoDBHistory(t *testing.T) {
	t.Parallel()
	m := mongodbtest.Start(t, "--oplogSize", "4", "--syncdelay", "1")
	db := databaseAt(t, m.URL("apps"))
	expire := bson.D{
		{
			Key: "setClusterParameter",
			Value: bson.D{
				{
					Key:   "changeStreamOptions",
					Value: bson.D{{Key: "preAndPostImages", Value: bson.D{{Key: "expireAfterSeconds", Value: 100}}}},
				},
			},
		},
	}
	require.NoError(t, db.Client().Database("admin").RunCommand(t.Context(), expire).Err())
	for range 16 {
		_, err := db.Collection("other").
			InsertOne(t.Context(), bson.D{{Key: "padding", Value: make([]byte, 1<<20)}})
		require.NoError(t, err)
	}
	out, err := secondgate(t, nil, "check", "--backend", m.URL("apps"))
	require.NoError(t, err, out)
	require.Regexp(
		t,
		`(?m)^warn pre- and post-images expire after 1m40s, less than the retention of 24h0m0s -> db\.adminCommand\({setClusterParameter`,
		out,
	)
	require.Regexp(
		t,
		`(?m)^warn the oplog is full \(\d+ MB\) and goes back \w+, less than the retention of 24h0m0s -> .*replSetResizeOplog`,
		out,
	)
}
