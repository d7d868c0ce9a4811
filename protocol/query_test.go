package protocol_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/protocol"
)

func queried(t *testing.T, where string, order ...string) (*protocol.Query, *protocol.Request) {
	t.Helper()
	r := &protocol.Request{Type: protocol.TypeQuery, Collection: "c", Order: order}
	if where != "" {
		canonical, err := protocol.Canonical([]byte(where))
		require.NoError(t, err)
		r.Where = canonical
	}
	q, err := protocol.ParseQuery(r)
	require.NoError(t, err, where)
	return &q, r
}

func document(t *testing.T, id, data string) *protocol.Document {
	t.Helper()
	canonical, err := protocol.Canonical([]byte(data))
	require.NoError(t, err)
	at := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	return protocol.NewDocument(id, canonical, at, at.Add(time.Hour))
}

// TestWhere: which of a few documents each where chooses.
func TestWhere(t *testing.T) {
	t.Parallel()
	docs := []*protocol.Document{
		document(t, "1", `{"n":1,"s":"a","deep":{"er":[10,20]},"null":null,"yes":true}`),
		document(t, "2", `{"n":2.5,"s":"B","list":[1,2]}`),
		document(t, "3", `{"n":"1","s":"é","object":{"a":1}}`),
		document(t, "4", `{}`),
	}
	for where, want := range map[string]string{
		``: "1 2 3 4", `{}`: "1 2 3 4",
		`{"n":1}`: "1", `{"n":1.0}`: "1", `{"n":"1"}`: "3", `{"n":{"$eq":1}}`: "1",
		`{"n":{"$gt":1}}`: "2", `{"n":{"$gte":1}}`: "1 2", `{"n":{"$lt":2.5}}`: "1", `{"n":{"$lte":2.5}}`: "1 2",
		`{"n":{"$gte":1,"$lt":2}}`: "1", `{"n":{"$gt":"0"}}`: "3",
		`{"s":{"$gt":"B"}}`: "1 3", `{"s":{"$lt":"a"}}`: "2",
		`{"n":{"$in":[1,2.5,9]}}`: "1 2", `{"n":{"$in":[]}}`: "", `{"null":null}`: "1", `{"n":null}`: "",
		`{"null":{"$exists":true}}`: "1", `{"s":{"$exists":false}}`: "4",
		`{"deep.er.1":20}`: "1", `{"deep.er.2":20}`: "", `{"deep":{"er":[10,20]}}`: "1", `{"deep.er":[10,20]}`: "1",
		`{"list":[1,2]}`: "2", `{"list":[2,1]}`: "", `{"object":{"a":1}}`: "3", `{"object":{}}`: "",
		`{"_id":"2"}`: "2", `{"_id":{"$in":["1","4"]}}`: "1 4", `{"_id":{"$gt":"2"}}`: "3 4",
		`{"_createdAt":"2026-11-30T12:00:00.000Z"}`: "1 2 3 4", `{"_updatedAt":{"$lt":"2026-11-30T13:00:00.000Z"}}`: "",
		`{"$or":[{"n":1},{"s":"B"}]}`: "1 2", `{"s":{"$exists":true},"$or":[{"n":1},{"_id":"4"}]}`: "1",
		`{"$or":[{}]}`: "1 2 3 4", `{"yes":true}`: "1", `{"yes":{"$eq":false}}`: "",
	} {
		q, _ := queried(t, where)
		var got []string
		for _, d := range docs {
			if q.Matches(d) {
				got = append(got, d.ID)
			}
		}
		require.Equal(t, strings.Fields(want), append([]string{}, got...), where)
	}
}

func TestWhereRefused(t *testing.T) {
	t.Parallel()
	many := func(n int, one string) string { return strings.TrimSuffix(strings.Repeat(one+",", n), ",") }
	conditions := make([]string, 65)
	for i := range conditions {
		conditions[i] = fmt.Sprintf(`"f%d":1`, i)
	}
	for where, says := range map[string]string{
		`{"$and":[]}`:                             "there is no",
		`{"$or":[]}`:                              "at least one object",
		`{"$or":{}}`:                              "at least one object",
		`{"$or":[1]}`:                             "must be an object of conditions",
		`{"$or":[{"$or":[{}]}]}`:                  "there is no",
		`{"$or":[` + many(17, "{}") + `]}`:        "at most 16 alternatives",
		`{"a":{"$ne":1}}`:                         "there is no operator",
		`{"a":{"$gt":1,"b":2}}`:                   "there is no operator",
		`{"a":{"$gt":null}}`:                      "takes a number or a string",
		`{"a":{"$lt":[1]}}`:                       "takes a number or a string",
		`{"a":{"$in":1}}`:                         "takes a list",
		`{"a":{"$in":[` + many(101, "1") + `]}}`:  "at most 100 values",
		`{"a":{"$exists":1}}`:                     "takes true or false",
		`{"_rev":"x"}`:                            "no field",
		`{"":1}`:                                  "no field",
		`{` + strings.Join(conditions, ",") + `}`: "at most 64 conditions",
	} {
		canonical, err := protocol.Canonical([]byte(where))
		require.NoError(t, err)
		_, err = protocol.ParseQuery(&protocol.Request{Collection: "c", Where: canonical})
		require.ErrorContains(t, err, says, where)
		require.Equal(t, protocol.CodeInvalidFilter, protocol.CodeOf(err), where)
	}
	for says, r := range map[string]protocol.Request{
		"at most 1000 documents":  {Limit: 1001},
		"at most 2 fields":        {Order: []string{"a", "b", "c"}},
		"no field":                {Order: []string{"-"}},
		"no position of this":     {After: "x"},
		"fields has 65 names":     {Fields: make([]string, 65)},
		"is no position of this ": {After: "WzFd"},
	} {
		_, err := protocol.ParseQuery(&r)
		require.ErrorContains(t, err, says)
	}
}

var randomValues = []string{
	`null`, `true`, `false`, `0`, `1`, `-1`, `1.5`, `1e300`, `""`, `"a"`, `"b"`, `"é"`, `"\ud83d\ude00"`, `"￿"`, `[]`, `[1]`,
	`[1,2]`, `["a"]`, `[[]]`, `{}`, `{"a":1}`, `{"a":2}`, `{"$missing":true}`,
}

// randomDocuments have fields a and b, or not.
func randomDocuments(t *testing.T, random *rand.Rand, n int) (docs []*protocol.Document) {
	for i := range n {
		var fields []string
		for _, name := range []string{"a", "b"} {
			if random.IntN(5) > 0 {
				fields = append(
					fields,
					fmt.Sprintf("%q:%s", name, randomValues[random.IntN(len(randomValues))]),
				)
			}
		}
		docs = append(docs, document(t, fmt.Sprint("d", i), "{"+strings.Join(fields, ",")+"}"))
	}
	return docs
}

// TestOrderIsTotal: the order of any documents is antisymmetric and transitive, and no two are equal.
func TestOrderIsTotal(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 1))
	docs := randomDocuments(t, random, 60)
	for _, order := range [][]string{{"a"}, {"-a"}, {"a", "-b"}, {"-a", "b"}, {"_updatedAt"}, {"missing"}, nil} {
		q, _ := queried(t, "", order...)
		for _, a := range docs {
			for _, b := range docs {
				require.Equal(t, a.ID == b.ID, q.Compare(a, b) == 0)
				require.Equal(t, q.Compare(a, b) < 0, q.Compare(b, a) > 0)
				for _, c := range docs[:10] {
					if q.Compare(a, b) < 0 && q.Compare(b, c) < 0 {
						require.Negative(t, q.Compare(a, c))
					}
				}
			}
		}
	}
}

// TestOrderOfKinds: one value of each kind, and the order within some.
func TestOrderOfKinds(t *testing.T) {
	t.Parallel()
	inOrder := []string{
		`{}`, `{"a":null}`, `{"a":false}`, `{"a":true}`, `{"a":-1}`, `{"a":1}`, `{"a":1e300}`, `{"a":""}`, `{"a":"B"}`, `{"a":"a"}`,
		`{"a":"￿"}`, `{"a":"😀"}`, `{"a":[]}`, `{"a":[1]}`, `{"a":[1,null]}`, `{"a":[2]}`, `{"a":{"x":1}}`, `{"a":{}}`,
	}
	q, _ := queried(t, "", "a")
	down, _ := queried(t, "", "-a")
	for i, a := range inOrder {
		for j, b := range inOrder {
			if i < j {
				require.Negative(t, q.Compare(document(t, "x", a), document(t, "x", b)), "%s %s", a, b)
				require.Positive(t, down.Compare(document(t, "x", a), document(t, "x", b)), "%s %s", a, b)
			}
		}
	}
}

// TestPositions: pages, each from the position of the one before, are together what the query orders.
func TestPositions(t *testing.T) {
	t.Parallel()
	for seed := range uint64(50) {
		random := rand.New(rand.NewPCG(seed, 2))
		docs := randomDocuments(t, random, 40)
		orders := [][]string{{"a"}, {"-a"}, {"a", "-b"}, {"-b", "a"}, nil}
		q, r := queried(t, "", orders[random.IntN(len(orders))]...)
		slices.SortFunc(docs, q.Compare)
		at := random.IntN(len(docs))
		position, err := q.Position(r, docs[at])
		require.NoError(t, err)
		r.After = position
		next, err := protocol.ParseQuery(r)
		require.NoError(t, err)
		for i, d := range docs {
			require.Equal(t, i > at, next.Follows(d), "seed %d: %s after %s", seed, d.Data, docs[at].Data)
		}
		r.Order = append(r.Order, "other")
		_, err = protocol.ParseQuery(r)
		require.Error(t, err)
	}
}

func TestChosenFields(t *testing.T) {
	t.Parallel()
	q, err := protocol.ParseQuery(&protocol.Request{Collection: "c", Fields: []string{"b", "x"}})
	require.NoError(t, err)
	d := document(t, "1", `{"a":1,"b":2,"c":3}`)
	chosen := q.Choose(d)
	require.Equal(t, `{"b":2}`, string(chosen.Data))
	require.Equal(t, d.Rev, chosen.Rev)
	require.Equal(t, `{"a":1,"b":2,"c":3}`, string(d.Data))
}
