package mongodb

import (
	"errors"
	"strings"
	"time"
	"unicode/utf8"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/secondgate/secondgate/protocol"
)

// stored is a document as it lies in the collection.
type stored struct {
	key bson.RawValue // _id
	ref protocol.Ref
	doc *protocol.Document // nil: withheld
	raw bson.Raw
}

var (
	errNoObject = errors.New("its data is no object")
	errID       = errors.New("its _id is neither a text nor an ObjectId")
)

// place is where a stored document belongs; false if that is nowhere, or its _id is none that is served.
func (b *Backend) place(raw bson.Raw) (r protocol.Ref, ok bool) {
	workspace, ok1 := raw.Lookup("workspaceId").StringValueOK()
	app, ok2 := raw.Lookup("appId").StringValueOK()
	collection, ok3 := raw.Lookup("collection").StringValueOK()
	if !ok1 || !ok2 || !ok3 || !utf8.ValidString(workspace) || !utf8.ValidString(app) || !utf8.ValidString(collection) {
		return r, false
	}
	r = protocol.Ref{Scope: protocol.StoredScope(workspace, app), Collection: collection}
	key := raw.Lookup("_id")
	if r.ID, ok = idOf(key, r); !ok {
		b.withheld.Note(protocol.Ref{Scope: r.Scope, Collection: r.Collection, ID: shown(key)}, errID)
	}
	return r, ok
}

// read is a stored document as clients see it; false if it belongs nowhere.
func (b *Backend) read(raw bson.Raw) (s stored, ok bool) {
	if s.ref, ok = b.place(raw); !ok {
		return s, false
	}
	s.key, s.raw = raw.Lookup("_id"), raw
	data, err := []byte(nil), errNoObject
	if object, ok := raw.Lookup("data").DocumentOK(); ok {
		data, err = toJSON(object)
	}
	if err != nil {
		b.withheld.Note(s.ref, err)
		return s, true
	}
	s.doc = protocol.NewDocument(s.ref.ID, protocol.Visible(data), date(raw, "createdAt"), date(raw, "updatedAt"))
	return s, true
}

// maxShown bounds what is told of a strange _id.
const maxShown = 200

// shown is an _id for the eyes of an operator.
func shown(key bson.RawValue) string {
	text := strings.ToValidUTF8(key.String(), "\uFFFD")
	if len(text) > maxShown {
		return strings.ToValidUTF8(text[:maxShown], "") + "…"
	}
	return text
}

// date is a field of that type; anything else, which only other programs store, is the beginning of 1970.
func date(raw bson.Raw, name string) time.Time {
	if t, ok := raw.Lookup(name).TimeOK(); ok {
		return t.UTC()
	}
	return time.Unix(0, 0).UTC()
}

// compose is a document as it is stored.
func compose(key any, r protocol.Ref, d *protocol.Document) bson.D {
	return bson.D{
		{Key: "_id", Value: key},
		{Key: "workspaceId", Value: r.Scope.Workspace}, {Key: "appId", Value: r.Scope.StoredApp()}, {Key: "collection", Value: r.Collection},
		{Key: "data", Value: fromJSON(d.Data)}, {Key: "createdAt", Value: d.Created}, {Key: "updatedAt", Value: d.Updated},
	}
}

// within selects the documents of a collection.
func within(s protocol.Scope, collection string) bson.D {
	return append(ofScope(s), bson.E{Key: "collection", Value: collection})
}

func ofScope(s protocol.Scope) bson.D {
	return bson.D{{Key: "workspaceId", Value: s.Workspace}, {Key: "appId", Value: s.StoredApp()}}
}
