package mongodb

import (
	"errors"
	"strings"
	"time"
	"unicode/utf8"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/secondgate/secondgate/protocol"
)

// stored is a document as it is stored.
type stored struct {
	key bson.RawValue // _id
	ref protocol.Ref
	doc *protocol.Document // nil if it is withheld
	raw bson.Raw
}

// clone is a copy whose bytes stay: those of a cursor do not.
func (s *stored) clone() *stored {
	c := *s
	c.raw = append(bson.Raw(nil), s.raw...)
	c.key = c.raw.Lookup("_id")
	return &c
}

var (
	errNoObject = errors.New("its data is no object")
	errID       = errors.New("its _id is neither a text nor an ObjectId")
)

// refOf tells where a stored document belongs. ok is false if it belongs nowhere, or if its _id is
// of a type that is not served.
func (b *Backend) refOf(raw bson.Raw) (r protocol.Ref, ok bool) {
	workspace, ok1 := raw.Lookup("workspaceId").StringValueOK()
	app, ok2 := raw.Lookup("appId").StringValueOK()
	collection, ok3 := raw.Lookup("collection").StringValueOK()
	if !ok1 || !ok2 || !ok3 {
		return r, false
	}
	if !utf8.ValidString(workspace) || !utf8.ValidString(app) || !utf8.ValidString(collection) {
		return r, false
	}
	r = protocol.Ref{Scope: protocol.StoredScope(workspace, app), Collection: collection}
	key := raw.Lookup("_id")
	if r.ID, ok = idOf(key, r); !ok {
		b.withheld.Note(protocol.Ref{Scope: r.Scope, Collection: r.Collection, ID: printable(key)}, errID)
	}
	return r, ok
}

// read parses a stored document. ok is false if it belongs nowhere.
func (b *Backend) read(raw bson.Raw) (s stored, ok bool) {
	if s.ref, ok = b.refOf(raw); !ok {
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
	created, updated := date(raw, "createdAt"), date(raw, "updatedAt")
	s.doc = protocol.NewDocument(s.ref.ID, protocol.Visible(data), created, updated)
	return s, true
}

// maxPrinted bounds the text of printable.
const maxPrinted = 200

// printable is the text of an _id for operators.
func printable(key bson.RawValue) string {
	text := strings.ToValidUTF8(key.String(), "\uFFFD")
	if len(text) > maxPrinted {
		return strings.ToValidUTF8(text[:maxPrinted], "") + "…"
	}
	return text
}

// date is the value of a date field. A value of another type, which only other programs store, is
// the beginning of 1970.
func date(raw bson.Raw, name string) time.Time {
	if t, ok := raw.Lookup(name).TimeOK(); ok {
		return t.UTC()
	}
	return time.Unix(0, 0).UTC()
}

// compose makes the stored form of a document.
func compose(key any, r protocol.Ref, d *protocol.Document) bson.D {
	return bson.D{
		{Key: "_id", Value: key},
		{Key: "workspaceId", Value: r.Scope.Workspace}, {Key: "appId", Value: r.Scope.StoredApp()},
		{Key: "collection", Value: r.Collection},
		{Key: "data", Value: fromJSON(d.Data)}, {Key: "createdAt", Value: d.Created},
		{Key: "updatedAt", Value: d.Updated},
	}
}

// within is a filter for the documents of a collection.
func within(s protocol.Scope, collection string) bson.D {
	return append(ofScope(s), bson.E{Key: "collection", Value: collection})
}

// ofScope is a filter for the documents of a scope.
func ofScope(s protocol.Scope) bson.D {
	return bson.D{{Key: "workspaceId", Value: s.Workspace}, {Key: "appId", Value: s.StoredApp()}}
}
