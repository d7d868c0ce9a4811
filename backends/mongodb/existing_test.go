package mongodb_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/backends/driverkit"
	"github.com/secondgate/secondgate/backends/mongodb/mongodbtest"
)

// The documents of a deployment without a gateway: with a plain _id, with an ObjectId, and with
// fields of another program.
var (
	object   = bson.ObjectID{0x50, 0x7f, 0x1f, 0x77, 0xbc, 0xf8, 0x6c, 0xd7, 0x99, 0x43, 0x90, 0x11}
	when     = bson.NewDateTimeFromTime(time.Date(2020, 1, 2, 3, 4, 5, 678e6, time.UTC))
	deployed = []any{
		foreign("plain", bson.D{{Key: "z", Value: int64(1)}, {Key: "when", Value: when},
			{Key: "a", Value: bson.D{{Key: "y", Value: 1.0}, {Key: "x", Value: object}}}}),
		foreign(object, bson.D{{Key: "n", Value: int32(2)}}),
		foreign("extended", bson.D{{Key: "list", Value: bson.A{when, int64(7),
			bson.D{{Key: "b", Value: when}, {Key: "a", Value: int32(1)}}}}},
			bson.E{Key: "owner", Value: bson.D{{Key: "$weird", Value: 1}}},
			bson.E{Key: "v", Value: bson.Regex{Pattern: "x"}}),
		foreign("gone", bson.D{}),
		foreign("old", bson.D{{Key: "n", Value: int32(5)}})[:5], // without times
	}
)

const objectID = "507f1f77bcf86cd799439011"

func deployment(t *testing.T) *fixture {
	return newFixture(t, mongodbtest.Database(t), func(docs *mongo.Collection) {
		_, err := docs.InsertMany(t.Context(), deployed)
		require.NoError(t, err)
	})
}

func TestExistingIsServed(t *testing.T) {
	t.Parallel()
	s := deployment(t)
	got := map[string]string{}
	for _, d := range s.list() {
		got[d.ID] = string(d.Data)
	}
	require.Equal(t, map[string]string{
		"plain":    `{"a":{"x":"` + objectID + `","y":1},"when":"2020-01-02T03:04:05.678Z","z":1}`,
		objectID:   `{"n":2}`,
		"extended": `{"list":["2020-01-02T03:04:05.678Z",7,{"a":1,"b":"2020-01-02T03:04:05.678Z"}]}`,
		"gone":     `{}`, "old": `{"n":5}`,
	}, got)
	require.Equal(t, `{"n":2}`, string(s.get(objectID).Data))
	require.Equal(t, "1970-01-01T00:00:00.000Z", s.get("old").Updated.Format("2006-01-02T15:04:05.000Z"))
	names, err := s.docs.Database().ListCollectionNames(t.Context(), bson.D{})
	require.NoError(t, err)
	require.ElementsMatch(t, []string{"app_data", "app_data_ledger", "app_data_locks", "app_data_meta",
		"app_data_mutations", "audit_events"}, names)
	for i, key := range []any{"plain", object, "extended", "gone", "old"} {
		want, _ := bson.Marshal(deployed[i])
		require.Equal(t, bson.Raw(want), s.raw(key), "opening has changed nothing")
	}
}

// TestExistingIsWritten: the gateway writes the field that the client names, and updatedAt. All
// other types and the order of fields stay, with a transaction or without.
func TestExistingIsWritten(t *testing.T) {
	t.Parallel()
	for way, mutation := range map[string]string{"without a transaction": "", "in a transaction": "m"} {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			s := deployment(t)
			f := s.watch()
			m := func(n string) string {
				if mutation == "" {
					return ""
				}
				return mutation + n
			}
			// want is the stored document with other data.
			want := func(i int, stored bson.Raw, data any) bson.Raw {
				doc := append(bson.D(nil), deployed[i].(bson.D)...)
				doc[4].Value = data
				at, ok := stored.Lookup("updatedAt").DateTimeOK()
				require.True(t, ok)
				if len(doc) > 5 {
					doc[6].Value = bson.DateTime(at)
				} else {
					doc = append(doc, bson.E{Key: "updatedAt", Value: bson.DateTime(at)})
				}
				raw, err := bson.Marshal(doc)
				require.NoError(t, err)
				return raw
			}
			_, err := s.write(m("1"), backends.Write{Op: backends.Update, ID: "plain",
				Data: []byte(`{"new":{"$date":1},"z":2}`)})
			require.NoError(t, err)
			require.Equal(t, want(0, s.raw("plain"), bson.D{{Key: "z", Value: int32(2)}, {Key: "when", Value: when},
				{Key: "a", Value: bson.D{{Key: "y", Value: 1.0}, {Key: "x", Value: object}}},
				{Key: "new", Value: bson.D{{Key: "$date", Value: int32(1)}}}}).String(), s.raw("plain").String())
			first := s.changesNow(f).Changes // or the feed joins it with the next change of the document
			_, err = s.write(m("2"), backends.Write{Op: backends.Update, ID: "plain", Data: []byte(`{"a.y":"other"}`),
				Paths: true})
			require.NoError(t, err)
			require.Equal(t, bson.D{{Key: "y", Value: "other"}, {Key: "x", Value: object}},
				decoded(t, s.raw("plain").Lookup("data", "a")), "beside a nested field")
			_, err = s.write(m("3"), backends.Write{Op: backends.Update, ID: objectID, Data: []byte(`{"m":null}`)})
			require.NoError(t, err)
			require.Equal(t, want(1, s.raw(object), bson.D{{Key: "n", Value: int32(2)},
				{Key: "m", Value: nil}}).String(), s.raw(object).String())
			_, err = s.write(m("4"), backends.Write{Op: backends.Upsert, ID: "extended",
				Data: []byte(`{"list":["2020-01-02T03:04:05.678Z",8,{"a":2,"b":"2020-01-02T03:04:05.678Z"},9]}`)})
			require.NoError(t, err)
			require.Equal(t, want(2, s.raw("extended"),
				bson.D{{Key: "list", Value: bson.A{when, int32(8), bson.D{{Key: "b", Value: when},
					{Key: "a", Value: int32(2)}}, int32(9)}}}).String(), s.raw("extended").String())
			_, err = s.write(m("5"), backends.Write{Op: backends.Update, ID: "old", Data: []byte(`{"n":6}`)})
			require.NoError(t, err)
			require.Equal(t, want(4, s.raw("old"), bson.D{{Key: "n", Value: int32(6)}}).String(),
				s.raw("old").String())
			_, err = s.write(m("6"), backends.Write{Op: backends.Delete, ID: "gone"})
			require.NoError(t, err)
			const rest = `},"new":{"$date":1},"when":"2020-01-02T03:04:05.678Z","z":2} `
			require.Equal(t, `c/plain:update{"a":{"x":"`+objectID+`","y":1`+rest+
				`c/plain:update{"a":{"x":"`+objectID+`","y":"other"`+rest+
				`c/`+objectID+`:update{"m":null,"n":2} `+
				`c/extended:update{"list":["2020-01-02T03:04:05.678Z",8,{"a":2,"b":"2020-01-02T03:04:05.678Z"},9]} `+
				`c/old:update{"n":6} c/gone:delete`, summary(append(first, s.changesNow(f).Changes...)))
			n, err := s.docs.CountDocuments(t.Context(), bson.D{})
			require.NoError(t, err)
			require.EqualValues(t, 4, n, "an upsert has made no second document")
		})
	}
}

func decoded(t *testing.T, v bson.RawValue) (d bson.D) {
	t.Helper()
	require.NoError(t, v.Unmarshal(&d))
	return d
}

// TestOutsideWrites: whatever another program does to the collection, the feed and Since return
// what it did.
func TestOutsideWrites(t *testing.T) {
	t.Parallel()
	type docs = *mongo.Collection
	by := func(id any) bson.D { return bson.D{{Key: "_id", Value: id}} }
	set := func(name string, value any) bson.D {
		return bson.D{{Key: "$set", Value: bson.D{{Key: name, Value: value}}}}
	}
	n := func(n int) bson.D { return bson.D{{Key: "n", Value: n}} }
	transaction := func(ctx context.Context, c docs, commit bool, f func(context.Context) error) error {
		session, err := c.Database().Client().StartSession()
		if err != nil {
			return err
		}
		defer session.EndSession(ctx)
		if err := session.StartTransaction(); err != nil {
			return err
		}
		if err := f(mongo.NewSessionContext(ctx, session)); err != nil {
			return err
		}
		if !commit {
			return session.AbortTransaction(ctx)
		}
		return session.CommitTransaction(ctx)
	}
	joined := map[string]string{ // what the feed returns if both writes of a document come in one batch
		`c/x:insert{"n":1} c/x:update{"n":2} c/a:delete c/b:update{"n":3}`: strings.Join([]string{
			`c/x:insert{"n":2}`, `c/a:delete`, `c/b:update{"n":3}`,
		}, " "),
		`c/a:delete c/a:insert{"n":1}`: `c/a:insert{"n":1}`,
		`c/a:delete c/a:update{"n":7}`: `c/a:update{"n":7}`,
	}
	for _, test := range []struct {
		name string
		do   func(context.Context, docs) error
		want string
	}{
		{"insertOne", func(ctx context.Context, c docs) error {
			_, err := c.InsertOne(ctx, foreign("x", n(1)))
			return err
		}, `c/x:insert{"n":1}`},
		{"insertOne with an ObjectId", func(ctx context.Context, c docs) error {
			_, err := c.InsertOne(ctx, foreign(object, n(1)))
			return err
		}, `c/` + objectID + `:insert{"n":1}`},
		{"insertMany", func(ctx context.Context, c docs) error {
			_, err := c.InsertMany(ctx, []any{foreign("x", n(1)), foreign("y", n(2))})
			return err
		}, `c/x:insert{"n":1} c/y:insert{"n":2}`},
		{"$set of a field of data", func(ctx context.Context, c docs) error {
			_, err := c.UpdateOne(ctx, by("a"), set("data.m", time.UnixMilli(0)))
			return err
		}, `c/a:update{"m":"1970-01-01T00:00:00.000Z","n":1}`},
		{"$unset, $inc and $push", func(ctx context.Context, c docs) error {
			_, err := c.UpdateOne(ctx, by("a"), bson.D{{Key: "$unset", Value: bson.D{{Key: "data.q", Value: 1}}},
				{Key: "$inc", Value: bson.D{{Key: "data.n", Value: 2}}},
				{Key: "$push", Value: bson.D{{Key: "data.l", Value: 1}}}})
			return err
		}, `c/a:update{"l":[1],"n":3}`},
		{"updateMany", func(ctx context.Context, c docs) error {
			_, err := c.UpdateMany(ctx, bson.D{{Key: "collection", Value: "c"}}, set("data.n", 5))
			return err
		}, `c/a:update{"n":5} c/b:update{"n":5}`},
		{"a pipeline that moves fields", func(ctx context.Context, c docs) error {
			_, err := c.UpdateOne(ctx, by("a"), mongo.Pipeline{{{Key: "$replaceWith",
				Value: bson.D{{Key: "$mergeObjects", Value: bson.A{bson.D{{Key: "new", Value: 1}}, "$$ROOT",
					bson.D{{Key: "data", Value: bson.D{{Key: "m", Value: 1}, {Key: "n", Value: 2}}}}}}}}}})
			return err
		}, `c/a:update{"m":1,"n":2}`},
		{"replaceOne", func(ctx context.Context, c docs) error {
			_, err := c.ReplaceOne(ctx, by("a"), foreign("a", n(9)))
			return err
		}, `c/a:update{"n":9}`},
		{"findOneAndReplace", func(ctx context.Context, c docs) error {
			return c.FindOneAndReplace(ctx, by("a"), foreign("a", n(9))).Err()
		}, `c/a:update{"n":9}`},
		{"deleteOne", func(ctx context.Context, c docs) error {
			_, err := c.DeleteOne(ctx, by("a"))
			return err
		}, `c/a:delete`},
		{"deleteMany", func(ctx context.Context, c docs) error {
			_, err := c.DeleteMany(ctx, bson.D{})
			return err
		}, `c/a:delete c/b:delete`},
		{"an upsert that inserts", func(ctx context.Context, c docs) error {
			_, err := c.ReplaceOne(ctx, by("x"), foreign("x", n(9)), options.Replace().SetUpsert(true))
			return err
		}, `c/x:insert{"n":9}`},
		{"bulkWrite", func(ctx context.Context, c docs) error {
			_, err := c.BulkWrite(ctx, []mongo.WriteModel{
				mongo.NewInsertOneModel().SetDocument(foreign("x", n(1))),
				mongo.NewUpdateOneModel().SetFilter(by("x")).SetUpdate(set("data.n", 2)),
				mongo.NewDeleteOneModel().SetFilter(by("a")),
				mongo.NewReplaceOneModel().SetFilter(by("b")).SetReplacement(foreign("b", n(3))),
			})
			return err
		}, `c/x:insert{"n":1} c/x:update{"n":2} c/a:delete c/b:update{"n":3}`},
		{"a transaction", func(ctx context.Context, c docs) error {
			return transaction(ctx, c, true, func(ctx context.Context) error {
				_, err1 := c.InsertOne(ctx, foreign("x", n(1)))
				_, err2 := c.DeleteOne(ctx, by("a"))
				_, err3 := c.UpdateOne(ctx, by("b"), set("data", n(4)))
				return errors.Join(err1, err2, err3)
			})
		}, `c/x:insert{"n":1} c/a:delete c/b:update{"n":4}`},
		{"a transaction that is aborted", func(ctx context.Context, c docs) error {
			return transaction(ctx, c, false, func(ctx context.Context) error {
				_, err := c.DeleteOne(ctx, by("a"))
				return err
			})
		}, ``},
		{"another collection of the app", func(ctx context.Context, c docs) error {
			_, err := c.UpdateOne(ctx, by("a"), set("collection", "d"))
			return err
		}, `c/a:delete d/a:insert{"n":1}`},
		{"another workspace", func(ctx context.Context, c docs) error {
			_, err := c.UpdateOne(ctx, by("a"), set("workspaceId", "other"))
			return err
		}, `c/a:delete`},
		{"to nowhere and back", func(ctx context.Context, c docs) error {
			_, err1 := c.UpdateOne(ctx, by("a"), bson.D{{Key: "$unset", Value: bson.D{{Key: "appId", Value: 1}}}})
			_, err2 := c.UpdateOne(ctx, by("a"), set("appId", "a"))
			return errors.Join(err1, err2)
		}, `c/a:delete c/a:insert{"n":1}`},
		{"no data, and data again", func(ctx context.Context, c docs) error {
			_, err1 := c.UpdateOne(ctx, by("a"), set("data", "text"))
			_, err2 := c.UpdateOne(ctx, by("a"), set("data", n(7)))
			return errors.Join(err1, err2)
		}, `c/a:delete c/a:update{"n":7}`},
		{"a field that is no part of the document", func(ctx context.Context, c docs) error {
			_, err := c.UpdateOne(ctx, by("a"), set("lock", true))
			return err
		}, `c/a:update{"n":1}`},
		{"an update of nothing", func(ctx context.Context, c docs) error {
			_, err := c.UpdateOne(ctx, by("a"), set("data.n", 1))
			return err
		}, ``},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := newFixture(t, mongodbtest.Database(t), func(c *mongo.Collection) {
				_, err := c.InsertMany(t.Context(), []any{foreign("a", n(1)), foreign("b", n(1))})
				require.NoError(t, err)
			})
			start, f := s.now(), s.watch()
			require.NoError(t, test.do(t.Context(), s.docs))
			batch := s.changesNow(f)
			require.False(t, batch.LostAll)
			want, got := test.want, summary(batch.Changes)
			if j, twice := joined[want]; twice && got == j {
				want = j
			}
			require.Equal(t, want, got, "the feed")
			require.Equal(t, summary(latest(batch.Changes)), summary(s.since(start).Changes), "since")
		})
	}
}

// latest leaves the last change of each document, as one batch does.
func latest(changes []backends.Change) []backends.Change {
	g := driverkit.NewBatchBuilder(1<<30, 1<<30)
	for _, c := range changes {
		g.Add(c)
	}
	return g.Batch(nil).Changes
}
