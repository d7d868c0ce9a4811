package mongodb

import (
	"strings"
	"unicode/utf8"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/secondgate/secondgate/protocol"
)

// _id is unique in the whole collection, a client's id in its own collection only. So an id that a client chose is stored
// with the names it is unique in, escaped and joined by /. One that the server made is stored as it is, and strangers
// may have stored any id so, or as an ObjectId: reads accept all three.

var (
	escaper   = strings.NewReplacer("%", "%25", "/", "%2F")
	unescaper = strings.NewReplacer("%25", "%", "%2F", "/")
)

// composite is the _id of a document whose id a client chose.
func composite(r protocol.Ref) string { return prefix(r) + escaper.Replace(r.ID) }

func prefix(r protocol.Ref) string {
	return escaper.Replace(r.Scope.Workspace) + "/" + escaper.Replace(r.Scope.StoredApp()) + "/" + escaper.Replace(r.Collection) + "/"
}

// possible are the values of _id that a document may be stored under, the likeliest first.
func possible(r protocol.Ref) bson.A {
	if !protocol.ServerMade(r.ID) {
		return bson.A{composite(r), r.ID}
	}
	object, _ := bson.ObjectIDFromHex(r.ID) // it is 24 hex digits
	return bson.A{r.ID, object, composite(r)}
}

// idOf is the id of a document of that scope and collection as clients know it; false if it is none that is served.
func idOf(key bson.RawValue, r protocol.Ref) (string, bool) {
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
