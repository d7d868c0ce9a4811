package gateway_test

import (
	"log/slog"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/secondgate/secondgate/backends/mongodb"
	"github.com/secondgate/secondgate/backends/mongodb/mongodbtest"
	"github.com/secondgate/secondgate/conformance/planted"
	"github.com/secondgate/secondgate/gateway"
	"github.com/secondgate/secondgate/gateway/approvals"
)

// besideSecond is a gateway with a database in which a web app of Second keeps its apps.
type besideSecond struct {
	*agents
	apps, snapshots *mongo.Collection
}

func newBesideSecond(t *testing.T) *besideSecond {
	t.Helper()
	address := mongodbtest.Database(t)
	database := mongodbtest.Client(t, address).Database(mongodbtest.NameOf(address))
	b, err := mongodb.Open(t.Context(), mongodb.Options{URL: address, Log: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, b.Close()) })
	at := serve(t, b, withAgents, func(c *gateway.Config) {
		c.Agents.Forward = &url.URL{Scheme: "http", Host: "web.app"}
	})
	return &besideSecond{
		&agents{t, at}, database.Collection("apps"), database.Collection("app_source_snapshots"),
	}
}

// holds is what an app's document has of an approval.
func holds(prefix, file string) bson.D {
	m, err := approvals.ParseManifest(file)
	if err != nil {
		panic(err)
	}
	var payload bson.D
	if err := bson.UnmarshalExtJSON([]byte(m.Payload()), false, &payload); err != nil {
		panic(err)
	}
	if prefix == "published" {
		return bson.D{
			{Key: "publishedAgentsJsonApprovalHash", Value: m.Hash()},
			{Key: "publishedAgentsJsonApprovedPayload", Value: payload},
		}
	}
	return bson.D{
		{Key: "agentsJsonApprovalHash", Value: m.Hash()}, {Key: "agentsJsonApprovedPayload", Value: payload},
	}
}

// files are an app's source with an agents.json.
func files(text string) bson.D {
	return bson.D{{Key: "app.tsx", Value: "export {}"}, {Key: "agents.json", Value: text}}
}

// app is the app's document, with its draft in a snapshot.
func app(fields ...bson.D) bson.D {
	doc := bson.D{
		{Key: "_id", Value: "a"},
		{Key: "workspaceId", Value: "w"},
		{Key: "draftSnapshotId", Value: "s1"},
	}
	for _, f := range fields {
		doc = append(doc, f...)
	}
	return doc
}

// becomes replaces what the web app has, and waits until the agent has these rights.
func (s *besideSecond) becomes(what string, app bson.D, draftFile any, draft, published bool) {
	s.Helper()
	for _, c := range []*mongo.Collection{s.apps, s.snapshots} {
		_, err := c.DeleteMany(s.Context(), bson.D{})
		require.NoError(s, err)
	}
	if app != nil {
		_, err := s.apps.InsertOne(s.Context(), app)
		require.NoError(s, err)
	}
	if draftFile != nil {
		_, err := s.snapshots.InsertOne(s.Context(), bson.D{
			{Key: "workspaceId", Value: "w"}, {Key: "appId", Value: "a"}, {Key: "kind", Value: "draft"},
			{Key: "files", Value: draftFile},
		})
		require.NoError(s, err)
	}
	deadline := time.Now().Add(planted.Wait(time.Minute))
	for s.mayIn("draft") != draft || s.mayIn("published") != published {
		require.True(
			s,
			time.Now().Before(deadline),
			"%s: waiting for draft %v, published %v",
			what,
			draft,
			published,
		)
	}
}

// mayIn reports whether agent e1 may write to leads in a version, whatever a refusal says.
func (s *besideSecond) mayIn(version string) bool {
	s.Helper()
	reply := s.worker("write", `{"workspaceId":"w","appId":"a","sourceVersion":"`+version+
		`","agentId":"e1","collection":"leads","operation":"insert","data":{}}`)
	require.Contains(s, []int{200, 403}, reply.Status, reply.Body)
	return reply.Status == 200
}

// TestRightsOfSecond are the rows of agents-upstream.md §4, beside a web app's database: what it
// approves counts, live, and nothing that was approved here.
func TestRightsOfSecond(t *testing.T) {
	t.Parallel()
	s := newBesideSecond(t)
	s.says(s.worker("write", workerBody(`,"operation":"insert","data":{}`)), 403, noApp)
	approved := holds("", twoAgents)
	s.becomes("approved", app(approved), files(twoAgents), true, false)
	s.says(
		s.worker("write", workerBody(`,"operation":"delete","filter":{"_id":"none"}`)),
		200,
		`{"success":false}`,
	)
	s.becomes("the file changed", app(approved), files(otherAgents), false, false)
	s.becomes("approved again", app(approved), files(" "+twoAgents), true, false)
	s.becomes("the file is no JSON", app(approved), files("{"), false, false)
	s.says(s.worker("write", workerBody(`,"operation":"insert","data":{}`)), 403, draftNo)
	s.becomes("the file is missing: it was approved early", app(approved), bson.D{}, true, false)
	s.becomes("the draft has no snapshot's document", app(), nil, false, false)
	s.becomes("early, and without a snapshot's document", app(approved), nil, true, false)
	s.becomes("nothing in the file", app(approved), files("[]"), false, false)
	published := holds("published", twoAgents)
	s.becomes("published alone", app(published), files(otherAgents), false, true)
	s.becomes("both", app(approved, published), files(twoAgents), true, true)
	s.becomes(
		"published another file",
		app(approved, holds("published", otherAgents)),
		files(twoAgents),
		true,
		false,
	)
	old := bson.D{
		{
			Key:   "_id",
			Value: "a",
		}, {Key: "workspaceId", Value: "w"}, {Key: "sourceFiles", Value: files(twoAgents)},
	}
	s.becomes("files beside the approval", append(old, approved...), nil, true, false)
	others := bson.D{{Key: "_id", Value: "a"}, {Key: "workspaceId", Value: "v"}}
	s.becomes("another workspace's", others, nil, false, false)
}
