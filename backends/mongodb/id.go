package mongodb

import (
	"strings"
	"unicode/utf8"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/secondgate/secondgate/protocol"
)

// _id is unique in app_data as a whole, and a client's id only in its own collection. So an id that
// a client chose is stored as a composite: workspace, app, collection and id, escaped and joined by
// /. An id that the server made is stored as it is. Other programs may have stored any id as it is,
// or as an ObjectId. Reads accept all three.

var (
	escaper   = strings.NewReplacer("%", "%25", "/", "%2F")
	unescaper = strings.NewReplacer("%25", "%", "%2F", "/")
)

// composite is the _id of a document whose id a client chose.
func composite(r protocol.Ref) string { return prefix(r) + escaper.Replace(r.ID) }

// prefix is the beginning of the composite _ids of a collection.
func prefix(r protocol.Ref) string {
	return escaper.Replace(r.Scope.Workspace) + "/" + escaper.Replace(r.Scope.StoredApp()) + "/" +
		escaper.Replace(r.Collection) + "/"
}

// possibleKeys returns the values that a document's _id may have, the likeliest first.
func possibleKeys(r protocol.Ref) bson.A {
	if !protocol.ServerMade(r.ID) {
		return bson.A{composite(r), r.ID}
	}
	object, _ := bson.ObjectIDFromHex(r.ID) // it is 24 hex digits
	return bson.A{r.ID, object, composite(r)}
}

// idOf is the id that clients know of a document of r's collection. served is false if the _id is
// of a type that is not served.
func idOf(key bson.RawValue, r protocol.Ref) (id string, served bool) {
	if object, ok := key.ObjectIDOK(); ok {
		return object.Hex(), true
	}
	id, ok := key.StringValueOK()
	if !ok || !utf8.ValidString(id) {
		return "", false
	}
	if own, ok := strings.CutPrefix(id, prefix(r)); ok {
		if plain := unescaper.Replace(own); escaper.Replace(plain) == own {
			return plain, true
		}
	}
	return id, true
}
