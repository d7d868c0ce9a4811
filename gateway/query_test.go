package gateway_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/conformance/client"
	"github.com/secondgate/secondgate/protocol"
)

// lead is a document of these tests.
type lead struct {
	ID     string  `json:"_id"`
	Status string  `json:"status,omitempty"`
	Score  float64 `json:"score"`
	Filler string  `json:"filler,omitempty"`
}

// TestQueries compares random queries by both doors with what a reading of all documents gives.
func TestQueries(t *testing.T) {
	t.Parallel()
	for name, h := range harnesses() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			random := rand.New(rand.NewPCG(7, 7))
			url, s := serve(t, h.Open(t)), protocol.Scope{Workspace: "w", App: "a"}
			c, err := client.Dial(t.Context(), client.URL(url, s))
			require.NoError(t, err)
			defer c.Close()
			require.Contains(t, c.Welcome.Features, "query")
			var leads []lead
			batch := protocol.Request{Type: protocol.TypeBatch}
			for i := range 60 {
				l := lead{
					fmt.Sprint("d", i),
					[]string{"new", "open", "won"}[random.IntN(3)],
					float64(random.IntN(10)),
					"",
				}
				leads = append(leads, l)
				data := fmt.Sprintf(`{"score":%v,"status":%q}`, l.Score, l.Status)
				batch.Operations = append(batch.Operations, protocol.Request{
					Type: protocol.TypeInsert, Collection: "leads", DocID: l.ID, Data: []byte(data),
				})
			}
			m, err := c.Call(t.Context(), batch)
			require.NoError(t, err)
			require.Nil(t, m.Error)
			for range 40 {
				compareQuery(t, random, c, url, s, leads)
			}
			refusedQueries(t, c, url, s)
		})
	}
}

// compareQuery asks for a random query, page by page, over the socket or by REST.
func compareQuery(
	t *testing.T,
	random *rand.Rand,
	c *client.Client,
	url string,
	s protocol.Scope,
	leads []lead,
) {
	t.Helper()
	status, from := []string{"new", "open", "won", "none"}[random.IntN(4)], random.IntN(10)
	want := slices.DeleteFunc(
		slices.Clone(leads),
		func(l lead) bool { return l.Status != status && l.Score < float64(from) },
	)
	slices.SortFunc(want, func(a, b lead) int {
		if a.Score != b.Score {
			return int(b.Score - a.Score)
		}
		return strings.Compare(a.ID, b.ID)
	})
	r := protocol.Request{
		Type: protocol.TypeQuery, Collection: "leads", Order: []string{"-score"}, Limit: 1 + random.IntN(70), Count: true,
		Where: fmt.Appendf(nil, `{"$or":[{"status":%q},{"score":{"$gte":%d}}]}`, status, from),
	}
	ask := askSocket(c)
	if random.IntN(2) == 0 {
		ask = askREST(url, s)
	}
	var got []lead
	for {
		page := ask(t, r)
		require.Equal(t, len(want), page.Count)
		require.LessOrEqual(t, len(page.Docs), r.Limit)
		got = append(got, page.Docs...)
		if r.After = page.Next; r.After == "" {
			break
		}
	}
	require.Equal(t, want, got)
}

// queryPage is an answer.
type queryPage struct {
	Docs  []lead
	Next  string
	Count int
}

func askSocket(c *client.Client) func(*testing.T, protocol.Request) queryPage {
	return func(t *testing.T, r protocol.Request) (page queryPage) {
		t.Helper()
		m, err := c.Call(t.Context(), r)
		// A busy machine may take longer than a request may take.
		for again := 0; err == nil && m.Error != nil && m.Error.Retryable && again < 10; again++ {
			m, err = c.Call(t.Context(), r)
		}
		require.NoError(t, err)
		require.Nil(t, m.Error)
		for _, doc := range m.Docs {
			var l lead
			require.NoError(t, json.Unmarshal(doc, &l))
			page.Docs = append(page.Docs, l)
		}
		page.Next, page.Count = m.Next, m.Count
		return page
	}
}

func askREST(base string, s protocol.Scope) func(*testing.T, protocol.Request) queryPage {
	return func(t *testing.T, r protocol.Request) (page queryPage) {
		t.Helper()
		parameters := []string{
			"collection", r.Collection, "where", string(r.Where), "order", strings.Join(r.Order, ","), "count", "1",
			"limit", strconv.Itoa(r.Limit),
		}
		if r.After != "" {
			parameters = append(parameters, "after", r.After)
		}
		reply, err := client.Do(t.Context(), "GET", client.DataURL(base, s, "", parameters...), "")
		require.NoError(t, err)
		require.Equal(t, 200, reply.Status, reply.Body)
		require.NoError(t, json.Unmarshal([]byte(reply.Body), &page))
		return page
	}
}

// refusedQueries are refused by both doors with the same code.
func refusedQueries(t *testing.T, c *client.Client, base string, s protocol.Scope) {
	t.Helper()
	m, err := c.Call(
		t.Context(),
		protocol.Request{Type: protocol.TypeQuery, Collection: "leads", Where: []byte(`{"a":{"$ne":1}}`)},
	)
	require.NoError(t, err)
	require.Equal(t, protocol.CodeInvalidFilter, m.Error.Code)
	for query, status := range map[string]int{
		"where=" + url.QueryEscape(`{"a":{"$ne":1}}`): 422, "where=x": 400, "where=1": 400, "count=x": 400, "order=a,b,c": 400,
		"limit=0&count=1": 400, "limit=1001&count=1": 400, "after=x&count=1": 400, "order=": 422,
	} {
		reply, err := client.Do(
			t.Context(),
			"GET",
			client.DataURL(base, s, "", "collection", "leads")+"&"+query,
			"",
		)
		require.NoError(t, err)
		require.Equal(t, status, reply.Status, "%s: %s", query, reply.Body)
	}
}

// TestQueryIsOfOneSnapshot: one document of a collection of several pages has a token, which another
// writer passes on all the time. Whoever asks finds it with exactly one.
func TestQueryIsOfOneSnapshot(t *testing.T) {
	t.Parallel()
	for name, h := range harnesses() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url, s := serve(t, h.Open(t)), protocol.Scope{Workspace: "w", App: "a"}
			writer, err := client.Dial(t.Context(), client.URL(url, s, "changes", "none"))
			require.NoError(t, err)
			defer writer.Close()
			const docs = 60 // of 64 KiB: four pages
			for i := range docs {
				data := fmt.Sprintf(`{"filler":%q,"score":%d}`, strings.Repeat("x", 64<<10), min(i, 1))
				m, err := writer.Call(t.Context(), protocol.Request{
					Type: protocol.TypeInsert, Collection: "leads", DocID: fmt.Sprint("d", i), Data: []byte(data),
				})
				require.NoError(t, err)
				require.Nil(t, m.Error)
			}
			done := make(chan struct{})
			passed := make(chan int)
			go func() { passed <- passOn(t, writer, docs, done) }()
			reader, err := client.Dial(t.Context(), client.URL(url, s, "changes", "none"))
			require.NoError(t, err)
			defer reader.Close()
			times := 15
			if testing.Short() {
				times = 3 // with the race detector each takes a second
			}
			for range times {
				page := askSocket(reader)(t, protocol.Request{
					Type: protocol.TypeQuery, Collection: "leads", Where: []byte(`{"score":0}`), Count: true,
					Fields: []string{"score"},
				})
				require.Len(t, page.Docs, 1)
				require.Equal(t, 1, page.Count)
			}
			close(done)
			require.Positive(t, <-passed)
		})
	}
}

// passOn moves the score 0 from document to document, until done.
func passOn(t *testing.T, c *client.Client, docs int, done chan struct{}) (times int) {
	random := rand.New(rand.NewPCG(3, 3))
	for from := 0; ; times++ {
		select {
		case <-done:
			return times
		default:
		}
		to := random.IntN(docs)
		if to == from {
			to = (to + 1) % docs
		}
		set := func(id, score int) protocol.Request {
			return protocol.Request{
				Type: protocol.TypeUpdate, Collection: "leads", DocID: fmt.Sprint("d", id), Data: fmt.Appendf(nil, `{"score":%d}`, score),
			}
		}
		m, err := c.Call(t.Context(), protocol.Request{
			Type: protocol.TypeBatch, Operations: []protocol.Request{set(from, 1), set(to, 0)},
		})
		if err != nil || m.Error != nil {
			t.Errorf("passing the token on failed: %v %v", err, m.Error)
			return times
		}
		from = to
		touch(t, c, random, docs, from)
	}
}

// touch updates some documents without the token, so that the one with it is not on the first page of a list.
func touch(t *testing.T, c *client.Client, random *rand.Rand, docs, but int) {
	batch := protocol.Request{Type: protocol.TypeBatch}
	for _, id := range random.Perm(docs)[:20] {
		if id != but {
			batch.Operations = append(batch.Operations, protocol.Request{
				Type: protocol.TypeUpdate, Collection: "leads", DocID: fmt.Sprint("d", id), Data: []byte(`{"score":1}`),
			})
		}
	}
	if m, err := c.Call(t.Context(), batch); err != nil || m.Error != nil {
		t.Errorf("touching others failed: %v %v", err, m.Error)
	}
}
