package mongodb

import (
	"encoding/base64"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/secondgate/secondgate/protocol"
)

// storedForms returns the stored values that clients see as this JSON scalar, and maybe more. For
// example, a filter for a text must find the date that another program has stored and that clients
// see as that text.
func storedForms(value []byte) bson.A {
	all := bson.A{fromJSON(value)}
	text, ok := all[0].(string)
	if !ok {
		return all
	}
	if at, err := time.Parse(time.RFC3339, text); err == nil && string(protocol.AppendTime(nil, at)) == text {
		all = append(all, bson.NewDateTimeFromTime(at))
	}
	if id, err := bson.ObjectIDFromHex(text); err == nil {
		all = append(all, id)
	}
	if n, err := bson.ParseDecimal128(text); err == nil {
		all = append(all, n)
	}
	if data, err := base64.StdEncoding.DecodeString(text); err == nil {
		for _, subtype := range subtypes {
			all = append(all, bson.Binary{Subtype: subtype, Data: data})
		}
	}
	return all
}

// subtypes are the subtypes of binary values that have a meaning, and the first one that programs
// may define.
var subtypes = []byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 128}
