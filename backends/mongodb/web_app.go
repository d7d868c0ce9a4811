package mongodb

import (
	"context"
	"errors"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/protocol"
)

// The collections of a web app of Second in the same database.
const (
	appsName      = "apps"
	snapshotsName = "app_source_snapshots"
	agentsName    = "agents.json"
)

var _ backends.WebApp = (*Backend)(nil)

// AgentsFile implements [backends.WebApp].
func (b *Backend) AgentsFile(ctx context.Context, s protocol.Scope) (file backends.AgentsFile, err error) {
	err = b.do(ctx, "read an app of the web app", func(ctx context.Context) (err error) {
		file, err = b.agentsFile(ctx, s)
		return err
	})
	return file, err
}

func (b *Backend) agentsFile(ctx context.Context, s protocol.Scope) (file backends.AgentsFile, err error) {
	hash, payload := "publishedAgentsJsonApprovalHash", "publishedAgentsJsonApprovedPayload"
	if s.Draft {
		hash, payload = "agentsJsonApprovalHash", "agentsJsonApprovedPayload"
	}
	fields := bson.D{
		{Key: "hash", Value: "$" + hash}, {Key: "payload", Value: "$" + payload},
		{Key: "snapshot", Value: "$draftSnapshotId"}, {Key: "file", Value: agentsIn("sourceFiles")},
	}
	app, err := b.webAppDocument(ctx, appsName, fields, bson.D{
		{Key: "_id", Value: s.App}, {Key: "workspaceId", Value: s.Workspace},
	})
	if err != nil || app == nil {
		return file, err
	}
	file.Exists = true
	file.Hash, _ = app.Lookup("hash").StringValueOK()
	if object, ok := app.Lookup("payload").DocumentOK(); ok {
		if text, err := toJSON(object); err == nil {
			file.Payload = text
		}
	}
	if s.Draft {
		file.Text, err = b.draftFile(ctx, s, app)
	}
	return file, err
}

// draftFile is the draft's agents.json, nil if there is none. Apps without a snapshot have their
// files beside the approval.
func (b *Backend) draftFile(ctx context.Context, s protocol.Scope, app bson.Raw) (*string, error) {
	from := app
	if id := app.Lookup("snapshot"); !id.IsZero() && id.Type != bson.TypeNull {
		var err error
		fields := bson.D{{Key: "file", Value: agentsIn("files")}}
		from, err = b.webAppDocument(ctx, snapshotsName, fields, bson.D{
			{Key: "workspaceId", Value: s.Workspace}, {Key: "appId", Value: s.App},
			{Key: "kind", Value: "draft"},
		})
		if err != nil || from == nil {
			return nil, err
		}
	}
	text, ok := from.Lookup("file").StringValueOK()
	if !ok {
		return nil, nil
	}
	return &text, nil
}

// agentsIn is the agents.json among the files of a field, without the others: they may be long. The
// name has a dot, which a path cannot have.
func agentsIn(field string) bson.D {
	isObject := bson.D{{Key: "$eq", Value: bson.A{bson.D{{Key: "$type", Value: "$" + field}}, "object"}}}
	file := bson.D{{Key: "$getField", Value: bson.D{
		{Key: "field", Value: agentsName}, {Key: "input", Value: "$" + field},
	}}}
	return bson.D{{Key: "$cond", Value: bson.A{isObject, file, nil}}}
}

// webAppDocument reads some fields of one document, nil if there is none.
func (b *Backend) webAppDocument(
	ctx context.Context, collection string, fields, filter bson.D,
) (bson.Raw, error) {
	found, err := b.database.Collection(collection).
		FindOne(ctx, filter, options.FindOne().SetProjection(fields)).Raw()
	if errors.Is(err, mongo.ErrNoDocuments) {
		return nil, nil
	}
	return found, err
}
