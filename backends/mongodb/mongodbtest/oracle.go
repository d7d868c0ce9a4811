package mongodbtest

import (
	"bytes"
	"context"
	"errors"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/conformance"
	"github.com/secondgate/secondgate/protocol"
)

// Oracle asks MongoDB itself for the documents of a scope at a cluster time. The storage engine
// keeps some minutes of versions, independently of the change stream.
func (h *Harness) Oracle(t conformance.T, b backends.Backend) conformance.Oracle {
	t.Helper()
	docs := h.Database(b).Collection("app_data")
	client := docs.Database().Client()
	return func(t conformance.T, s protocol.Scope, c backends.Cursor) map[string]map[string]protocol.Document {
		t.Helper()
		at := c.(interface{ ClusterTime() bson.Timestamp }).ClusterTime()
		state, err := stateAt(t.Context(), client, docs, s, at)
		if err != nil {
			t.Fatalf("oracle: %v", err)
		}
		return state
	}
}

func stateAt(
	ctx context.Context, client *mongo.Client, docs *mongo.Collection, s protocol.Scope, at bson.Timestamp,
) (map[string]map[string]protocol.Document, error) {
	session, err := client.StartSession(options.Session().SetSnapshot(true).SetSnapshotTime(at))
	if err != nil {
		return nil, err
	}
	defer session.EndSession(context.Background())
	ctx = mongo.NewSessionContext(ctx, session)
	found, err := docs.Find(ctx, bson.D{{Key: "workspaceId", Value: s.Workspace},
		{Key: "appId", Value: s.StoredApp()}})
	if err != nil {
		return nil, err
	}
	state := map[string]map[string]protocol.Document{}
	for found.Next(ctx) {
		collection, id, doc, err := parse(found.Current)
		if errors.Is(err, errWithheld) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if state[collection] == nil {
			state[collection] = map[string]protocol.Document{}
		}
		state[collection][id] = *doc
	}
	return state, found.Err()
}

var errWithheld = errors.New("the document is withheld")

// parse reads a document of the kinds that the rules make. It uses Extended JSON, which the
// gateway's driver does not.
func parse(raw bson.Raw) (collection, id string, doc *protocol.Document, err error) {
	collection, id = raw.Lookup("collection").StringValue(), raw.Lookup("_id").StringValue()
	r := protocol.Ref{Scope: protocol.StoredScope(raw.Lookup("workspaceId").StringValue(),
		raw.Lookup("appId").StringValue()), Collection: collection}
	if own, ok := strings.CutPrefix(id, joined(r)); ok {
		id = strings.NewReplacer("%25", "%", "%2F", "/").Replace(own)
	}
	text, err := bson.MarshalExtJSON(raw.Lookup("data").Document(), false, false)
	if err != nil {
		return "", "", nil, err
	}
	data, err := protocol.Canonical(text)
	if err != nil || bytes.Contains(text, []byte(`"$numberDouble":"Infinity"`)) {
		return "", "", nil, errWithheld
	}
	return collection, id, protocol.NewDocument(id, protocol.Visible(data), raw.Lookup("createdAt").Time(),
		raw.Lookup("updatedAt").Time()), nil
}
