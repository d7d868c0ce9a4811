package mongodb_test

import (
	"fmt"
	"math"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/backends/mongodb/mongodbtest"
	"github.com/secondgate/secondgate/protocol"
)

// deep is an array that makes so many levels in all, in a field of data.
func deep(levels int) any {
	v := bson.A{}
	for range levels - 2 {
		v = bson.A{v}
	}
	return v
}

func decimal(text string) bson.Decimal128 {
	n, err := bson.ParseDecimal128(text)
	if err != nil {
		panic(err)
	}
	return n
}

var uuid = bson.Binary{Subtype: 4, Data: []byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}}

// values are the values of the first table of docs/operations.md.
var values = map[string]any{
	"String": "text", "Boolean": true, "Null": nil, "Undefined": bson.Undefined{}, "Int32": int32(7),
	"Int64": int64(1<<53 - 1),
	"Int64 beyond 2^53 that a double holds and prints alike": int64(1 << 53),
	"any other Int64 beyond 2^53":                            int64(1<<53 + 1),
	"Double":                                                 0.1, "Double that is whole": 1.0,
	"Double, the greatest": math.MaxFloat64,
	"Double, minus zero":   math.Copysign(0, -1),
	"Double, NaN":          math.NaN(), "Double, Infinity": math.Inf(-1), "Decimal128": decimal("1.50"),
	"Decimal128, NaN":          decimal("NaN"),
	"Date":                     when,
	"Date after the year 9999": bson.NewDateTimeFromTime(time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)),
	"Date before the year 0":   bson.NewDateTimeFromTime(time.Date(-1, 1, 1, 0, 0, 0, 0, time.UTC)),
	"ObjectId":                 object, "Binary": bson.Binary{Data: []byte{1, 2, 3}}, "Binary, a UUID": uuid,
	"DBRef": bson.D{{Key: "$ref", Value: "c"}, {Key: "$id", Value: 1}},
	"Regex": bson.Regex{Pattern: "x"}, "Timestamp": bson.Timestamp{T: 1, I: 2}, "Symbol": bson.Symbol("x"),
	"JavaScript":            bson.JavaScript("x"),
	"JavaScript with scope": bson.CodeWithScope{Code: "x", Scope: bson.D{}},
	"DBPointer":             bson.DBPointer{DB: "x"}, "MinKey": bson.MinKey{}, "MaxKey": bson.MaxKey{},
	"names `$x`, `a.b` and none": bson.D{{Key: "a.b", Value: 3}, {Key: "$x", Value: 2},
		{Key: "", Value: 1}},
	"one name twice":                      bson.D{{Key: "a", Value: 1}, {Key: "a", Value: 2}},
	"text that is no UTF-8":               "a\xff",
	"a name that is no UTF-8":             bson.D{{Key: "a\xff", Value: 1}},
	"text with a NUL":                     "a\x00b",
	"arrays in arrays, 64 levels in all":  deep(64),
	"arrays in arrays, 65 levels in all":  deep(65),
	"arrays in arrays, 100 levels in all": deep(100),
}

// table is a table of docs/operations.md under a heading, by its first column.
func table(t *testing.T, heading string) map[string]string {
	t.Helper()
	text, err := os.ReadFile("../../docs/operations.md")
	require.NoError(t, err)
	_, rest, found := strings.Cut(string(text), "| "+heading+" | clients see |\n|---|---|\n")
	require.True(t, found, heading)
	body, _, _ := strings.Cut(rest, "\n\n")
	rows := map[string]string{}
	for _, row := range regexp.MustCompile(`(?m)^\| (.*?) \| (.*?) \|$`).FindAllStringSubmatch(body, -1) {
		rows[row[1]] = strings.Trim(row[2], "`")
	}
	return rows
}

// TestValues: clients see each value that BSON has and JSON lacks as docs/operations.md says.
// Otherwise it is withheld and reported.
func TestValues(t *testing.T) {
	t.Parallel()
	rows := table(t, "stored in `data`")
	require.Len(t, values, len(rows))
	s := newFixture(t, mongodbtest.Database(t), nil)
	start, f := s.now(), s.watch()
	for name, v := range values {
		_, err := s.docs.InsertOne(t.Context(), foreign(name, bson.D{{Key: "v", Value: v}}))
		require.NoError(t, err, name)
	}
	feed, since, list := s.changesNow(f).Changes, s.since(start).Changes, s.list()
	reported := s.reported()
	for name, want := range rows {
		require.Contains(t, values, name)
		doc := s.get(name)
		if want == "withheld" {
			require.Nil(t, doc, name)
			require.Contains(t, reported, in(name))
		} else {
			require.NotNil(t, doc, name)
			require.NotContains(t, reported, in(name))
			if want != "shown" {
				require.Equal(t, `{"v":`+want+`}`, string(doc.Data), name)
			}
		}
		require.Equal(t, doc, lastOf(feed, in(name)), name)
		require.Equal(t, doc, lastOf(since, in(name)), name)
		require.Equal(t, doc, listed(list, name), name)
	}
	seen := map[protocol.Ref]bool{}
	for _, r := range reported {
		require.False(t, seen[r], "%s is reported once", r)
		seen[r] = true
	}
	sameReopened(s, list)
}

// sameReopened requires that another gateway sees the same documents.
func sameReopened(s *fixture, list []protocol.Document) {
	s.Helper()
	page, err := s.open().List(s.Context(), testScope, backends.Query{Collection: "c"})
	require.NoError(s, err)
	require.Equal(s, list, page.Docs)
}

func lastOf(changes []backends.Change, r protocol.Ref) (doc *protocol.Document) {
	for _, c := range changes {
		if c.Ref == r {
			doc = c.Doc
		}
	}
	return doc
}

func listed(docs []protocol.Document, id string) *protocol.Document {
	for i := range docs {
		if docs[i].ID == id {
			return &docs[i]
		}
	}
	return nil
}

// with is a foreign document with one field set, or removed.
func with(field string, value any) bson.D {
	doc := bson.D{}
	for _, e := range foreign("id", bson.D{{Key: "n", Value: 1}}) {
		if e.Key != field {
			doc = append(doc, e)
		} else if value != absent {
			doc = append(doc, bson.E{Key: field, Value: value})
		}
	}
	return doc
}

type nothing struct{}

var absent = any(nothing{})

// TestDocuments: clients see the documents of the second table of docs/operations.md as it says.
func TestDocuments(t *testing.T) {
	t.Parallel()
	rows := table(t, "the document")
	documents := map[string]bson.D{
		"its `data` is a text":   with("data", "x"),
		"its `data` is an array": with("data", bson.A{}),
		"its `data` is null":     with("data", nil),
		"it has no `data`":       with("data", absent),
		"its `data` has `_id`, `_createdAt`, `_updatedAt` or `_rev`": with("data", bson.D{
			{Key: "_id", Value: 1}, {Key: "_createdAt", Value: "x"}, {Key: "n", Value: 1},
			{Key: "_updatedAt", Value: 1}, {Key: "_rev", Value: 1},
		}),
		"its `_id` is an Int32":  with("_id", 7),
		"its `_id` is a UUID":    with("_id", uuid),
		"its `_id` is an object": with("_id", bson.D{{Key: "a", Value: 1}}),
		"its `_id` is no UTF-8":  with("_id", "a\xff"),
		"its `_id` is an ObjectId": with("_id", bson.ObjectID{
			0x50, 0x7f, 0x1f, 0x77, 0xbc, 0xf8, 0x6c, 0xd7, 0x99, 0x43, 0x90, 0x12,
		}),
		"its `_id` is a text outside the grammar of ids": with("_id", "a b/c"),
		"it has no `createdAt`":                          with("createdAt", absent),
		"its `updatedAt` is a text":                      with("updatedAt", "2020-01-02T03:04:05.678Z"),
		"its `updatedAt` is a Timestamp":                 with("updatedAt", bson.Timestamp{T: 1}),
		"its `updatedAt` is after the year 9999": with("updatedAt",
			time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)),
		"its `workspaceId` is an Int32": with("workspaceId", 1),
		"it has no `collection`":        with("collection", absent),
		"its `collection` is no UTF-8":  with("collection", "a\xff"),
	}
	require.Len(t, documents, len(rows))
	for name, want := range rows {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Contains(t, documents, name)
			s := newFixture(t, mongodbtest.Database(t), nil)
			start, f := s.now(), s.watch()
			_, err := s.docs.InsertOne(t.Context(), documents[name])
			require.NoError(t, err)
			feed, since, list := s.changesNow(f).Changes, s.since(start).Changes, s.list()
			if want == "withheld" || want == "nobody's" {
				require.Empty(t, list)
				require.Nil(t, lastOf(feed, in("id")))
				require.Len(t, s.reported(), map[string]int{"withheld": 1, "nobody's": 0}[want])
				return
			}
			require.Len(t, list, 1)
			d := list[0]
			const form = "2006-01-02T15:04:05.000Z"
			require.Contains(t, []string{string(d.Data), d.ID, d.Created.Format(form), d.Updated.Format(form)}, want)
			require.Equal(t, &d, s.get(d.ID))
			require.Equal(t, &d, lastOf(feed, in(d.ID)))
			require.Equal(t, &d, lastOf(since, in(d.ID)))
			sameReopened(s, list)
			if d.Updated.Year() < 10000 {
				_, err = s.write("", backends.Write{Op: backends.Update, ID: d.ID, Data: []byte(`{"m":1}`)})
				require.NoError(t, err)
				require.WithinDuration(t, time.Now(), s.get(d.ID).Updated, time.Minute)
			}
		})
	}
}

// TestFilterFindsStoredForms: a filter for what clients see finds the value that another program
// has stored, except a time whose year RFC 3339 cannot express.
func TestFilterFindsStoredForms(t *testing.T) {
	t.Parallel()
	rows := table(t, "stored in `data`")
	s := newFixture(t, mongodbtest.Database(t), func(docs *mongo.Collection) {
		for name, v := range values {
			data := bson.D{{Key: "v", Value: v}, {Key: "name", Value: name}}
			_, err := docs.InsertOne(t.Context(), foreign(name, data))
			require.NoError(t, err)
		}
	})
	for name, want := range rows {
		if want == "withheld" || want == "shown" || want[0] == '{' || strings.Contains(name, " the year ") {
			continue
		}
		filter, err := protocol.ParseFilter(fmt.Appendf(nil, `{"name":%q,"v":%s}`, name, want), false)
		require.NoError(t, err, name)
		out, err := s.write("", backends.Write{
			Op: backends.Upsert, Filter: &filter, NewID: bson.NewObjectID().Hex(), Data: []byte(`{"found":true}`),
		})
		require.NoError(t, err, name)
		require.Equal(t, backends.Update, out.Changes[0].Op, "%s is found by %s", name, want)
		require.Equal(t, name, out.Changes[0].Ref.ID)
	}
}

// TestUserNames: any name in a user's JSON is data. It is never Extended JSON and never an
// operator.
func TestUserNames(t *testing.T) {
	t.Parallel()
	for way, mutation := range map[string]string{"without a transaction": "", "in a transaction": "m"} {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			s := newFixture(t, mongodbtest.Database(t), nil)
			for i, value := range []string{
				`{"$date":1}`, `{"$date":"2020-01-02T03:04:05Z"}`, `{"$oid":"507f1f77bcf86cd799439011"}`,
				`{"$oid":"x"}`, `{"$numberLong":"5"}`, `{"$numberDouble":"NaN"}`,
				`{"$binary":{"base64":"AQID","subType":"00"}}`,
				`{"$gt":1}`, `{"$set":{"data":1}}`, `{"$literal":1}`, `{"$expr":1}`, `{"$where":"1"}`,
				`{"$unset":"data"}`, `{"$each":[1]}`, `{"$currentDate":1}`,
				`{"a.b":1}`, `{"":1}`, `{"$":1}`, `{".":1}`, `{"a.$.b":1}`, `{"$ref":"c"}`, `{"$id":1,"$ref":"c"}`,
				`{"$id":1}`, `{"$db":1}`, `{"a":[{"$date":1}],"b":{"c":{"$oid":1,"d.e":2}}}`,
				`{"__proto__":1,"constructor":2}`,
				`{"$$ROOT":1}`, `"$data"`, `"$$NOW"`, `["$data",{"$add":[1,2]}]`,
			} {
				id := func(n int) string { return fmt.Sprint("d", i, "-", n) }
				m := func(n int) string {
					if mutation == "" {
						return ""
					}
					return fmt.Sprint(mutation, i, n)
				}
				whole, nested := value, `{"v":`+value+`}`
				if value[0] != '{' {
					whole = nested
				}
				check := func(out backends.Outcome, err error, id, want string) {
					t.Helper()
					require.NoError(t, err, value)
					require.Equal(t, want, string(out.Changes[0].Doc.Data), "the reply")
					require.Equal(t, want, string(s.get(id).Data), "what is read")
				}
				out, err := s.write(m(1), backends.Write{Op: backends.Insert, ID: id(1), Data: []byte(whole)})
				check(out, err, id(1), whole)
				out, err = s.write(m(2), backends.Write{Op: backends.Insert, ID: id(2), Data: []byte(nested)})
				check(out, err, id(2), nested)
				out, err = s.write(m(3), backends.Write{Op: backends.Update, ID: id(1), Data: []byte(whole)})
				check(out, err, id(1), whole)
				update := backends.Write{Op: backends.Update, ID: id(2), Data: []byte(`{"w":` + value + `}`)}
				out, err = s.write(m(4), update)
				check(out, err, id(2), `{"v":`+value+`,"w":`+value+`}`)
				if value[0] != '{' {
					continue
				}
				filter, err := protocol.ParseFilter([]byte(whole), false)
				if err != nil { // the object has a name that begins with $
					continue
				}
				where := backends.Write{
					Op: backends.Upsert, Filter: &filter, Collection: fmt.Sprint("filtered", i),
					NewID: bson.NewObjectID().Hex(), Data: []byte(`{"found":1}`),
				}
				out, err = s.write(m(5), where)
				require.NoError(t, err, value)
				require.Equal(t, backends.Insert, out.Changes[0].Op)
				where.NewID, where.Data = bson.NewObjectID().Hex(), []byte(`{"found":2}`)
				made := out.Changes[0].Ref.ID
				out, err = s.write(m(6), where)
				require.NoError(t, err, value)
				require.Equal(t, made, out.Changes[0].Ref.ID, "the filter %s finds its document", value)
			}
		})
	}
}
