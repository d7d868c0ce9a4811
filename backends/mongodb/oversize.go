package mongodb

import (
	"context"
	"maps"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/protocol"
)

// scopesOnly are the fields of events that tell their scopes. They are small, whatever the size of
// the document.
var scopesOnly = bson.D{{Key: "$project", Value: bson.D{
	{Key: "operationType", Value: 1}, {Key: "clusterTime", Value: 1},
	{Key: "fullDocument.workspaceId", Value: 1}, {Key: "fullDocument.appId", Value: 1},
	{Key: "fullDocumentBeforeChange.workspaceId", Value: 1}, {Key: "fullDocumentBeforeChange.appId", Value: 1},
}}}

// skipOversize moves the feed past an event that the server cannot send. It reads the next events
// without their documents, and hands out a batch in which their scopes are lost. If the event is
// not among them, the next call skips it.
func (f *feed) skipOversize(ctx context.Context, at *cursor) (*stream, error) {
	s, err := f.backend.followFrom(ctx, at.at, *at, awaitTime, scopesOnly)
	if err != nil {
		return nil, err
	}
	defer s.close(ctx)
	var events []event
	for len(events) == 0 {
		if events, _, err = s.next(ctx); err != nil {
			return nil, err
		}
	}
	lost, err := scopesOf(events)
	if err != nil {
		return nil, err
	}
	to := cursor{at.epoch, s.at}
	f.backend.options.Log.Warn("clients must list again: an event is too large to be sent", "scopes", lost)
	if err := f.handOut(ctx, backends.Batch{Lost: lost, Cursor: to}); err != nil {
		return nil, err
	}
	*at = to
	// A stream that began at the time of the event would get it again.
	return f.backend.followFrom(ctx, bson.Timestamp{T: to.at.T, I: to.at.I + 1}, to, awaitTime, needed)
}

// scopesOf returns the scopes that events concern. It fails if an event does not tell.
func scopesOf(events []event) ([]protocol.Scope, error) {
	scopes := map[protocol.Scope]struct{}{}
	for _, e := range events {
		if err := e.complete(); err != nil {
			return nil, err
		}
		for _, image := range []bson.Raw{e.before, e.doc} {
			workspace, ok1 := image.Lookup("workspaceId").StringValueOK()
			app, ok2 := image.Lookup("appId").StringValueOK()
			if ok1 && ok2 { // otherwise the document belongs to no scope
				scopes[protocol.StoredScope(workspace, app)] = struct{}{}
			}
		}
	}
	return slices.Collect(maps.Keys(scopes)), nil
}
