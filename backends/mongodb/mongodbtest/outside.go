package mongodbtest

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/conformance"
	"github.com/secondgate/secondgate/protocol"
)

// Outside is another program that writes in a transaction, with the defaults of the MongoDB driver.
func (h *Harness) Outside(_ conformance.T, b backends.Backend) conformance.Outside {
	db := h.Database(b)
	return outside{db.Client(), db.Collection("app_data")}
}

type outside struct {
	client *mongo.Client
	docs   *mongo.Collection
}

var errRolledBack = errors.New("rolled back")

// Do implements [conformance.Outside].
func (o outside) Do(t conformance.T, commit bool, steps ...conformance.Step) {
	t.Helper()
	session, err := o.client.StartSession()
	if err != nil {
		t.Fatalf("outside: %v", err)
	}
	defer session.EndSession(context.Background())
	_, err = session.WithTransaction(t.Context(), func(ctx context.Context) (any, error) {
		for _, s := range steps {
			if err := o.do(ctx, s); err != nil {
				return nil, err
			}
		}
		if !commit {
			return nil, errRolledBack
		}
		return nil, nil
	})
	if err != nil && !errors.Is(err, errRolledBack) && t.Context().Err() == nil {
		t.Fatalf("outside: %v", err)
	}
}

func (o outside) do(ctx context.Context, s conformance.Step) error {
	old, err := o.find(ctx, s.Ref)
	if err != nil {
		return err
	}
	switch s.Kind {
	case "insert":
		return o.insert(ctx, s.Ref, s.Data, nil)
	case "replace":
		if err := o.remove(ctx, old); err != nil {
			return err
		}
		return o.insert(ctx, s.Ref, s.Data, nil)
	case "update":
		data, err := object(s.Data)
		if err != nil || old == nil {
			return err
		}
		// A whole document may have names that $set takes for operators.
		_, err = o.docs.UpdateOne(ctx, bson.D{{Key: "_id", Value: old.Lookup("_id")}},
			mongo.Pipeline{{{Key: "$set", Value: bson.D{{Key: "data",
				Value: bson.D{{Key: "$literal", Value: data}}}}}}})
		return err
	case "move":
		return o.move(ctx, old, s.To)
	}
	return o.remove(ctx, old)
}

// move changes the key: by an update of the fields if the _id can stay, otherwise by a new
// document.
func (o outside) move(ctx context.Context, old bson.Raw, to protocol.Ref) error {
	if old == nil {
		return nil
	}
	if key := old.Lookup("_id").StringValue(); key == to.ID {
		_, err := o.docs.UpdateOne(ctx, bson.D{{Key: "_id", Value: key}}, bson.D{{Key: "$set", Value: bson.D{
			{Key: "workspaceId", Value: to.Scope.Workspace}, {Key: "appId", Value: to.Scope.StoredApp()},
			{Key: "collection", Value: to.Collection},
		}}})
		return err
	}
	if err := o.remove(ctx, old); err != nil {
		return err
	}
	return o.insert(ctx, to, "", old)
}

func (o outside) remove(ctx context.Context, old bson.Raw) error {
	if old == nil {
		return nil
	}
	_, err := o.docs.DeleteOne(ctx, bson.D{{Key: "_id", Value: old.Lookup("_id")}})
	return err
}

// find is a document under either of its keys, nil if there is none.
func (o outside) find(ctx context.Context, r protocol.Ref) (bson.Raw, error) {
	raw, err := o.docs.FindOne(ctx, bson.D{
		{Key: "_id", Value: bson.D{{Key: "$in", Value: bson.A{r.ID, joined(r)}}}},
		{Key: "workspaceId", Value: r.Scope.Workspace}, {Key: "appId", Value: r.Scope.StoredApp()},
		{Key: "collection", Value: r.Collection},
	}).Raw()
	if errors.Is(err, mongo.ErrNoDocuments) {
		return nil, nil
	}
	return raw, err
}

// contended are ids that rules let outside writers and gateways insert at the same time.
var contended = regexp.MustCompile(`^d\d+$`)

// insert stores a document under its plain id if that is free, as most programs would, and
// otherwise as the gateway does. An outside writer that does not check could make a second document
// with one id, which nothing prevents: see docs/operations.md.
func (o outside) insert(ctx context.Context, r protocol.Ref, data string, from bson.Raw) error {
	n, err := o.docs.CountDocuments(ctx, bson.D{{Key: "_id", Value: r.ID}})
	if err != nil {
		return err
	}
	key := r.ID
	if n > 0 || contended.MatchString(r.ID) {
		key = joined(r)
	}
	now := time.Now()
	doc := bson.D{
		{Key: "_id", Value: key}, {Key: "workspaceId", Value: r.Scope.Workspace},
		{Key: "appId", Value: r.Scope.StoredApp()},
		{Key: "collection", Value: r.Collection},
	}
	if from != nil {
		for _, name := range []string{"data", "createdAt", "updatedAt"} {
			doc = append(doc, bson.E{Key: name, Value: from.Lookup(name)})
		}
	} else {
		content, err := object(data)
		if err != nil {
			return err
		}
		doc = append(doc, bson.E{Key: "data", Value: content}, bson.E{Key: "createdAt", Value: now},
			bson.E{Key: "updatedAt", Value: now})
	}
	_, err = o.docs.InsertOne(ctx, doc)
	return err
}

// joined is the _id that docs/operations.md says for a client's id.
func joined(r protocol.Ref) string {
	escape := strings.NewReplacer("%", "%25", "/", "%2F").Replace
	return fmt.Sprintf("%s/%s/%s/%s", escape(r.Scope.Workspace), escape(r.Scope.StoredApp()),
		escape(r.Collection), escape(r.ID))
}

// Documents is b's collection as another program opens it.
func (h *Harness) Documents(b backends.Backend) *mongo.Collection {
	return h.Database(b).Collection("app_data")
}
