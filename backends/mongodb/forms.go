package mongodb

import (
	"encoding/base64"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/secondgate/secondgate/protocol"
)

// forms are the values that clients see as this JSON scalar, and perhaps more: a filter for a text must find the date that
// another program stores where clients see that text.
func forms(value []byte) bson.A {
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

// subtypes are those of binary values that have a meaning, and the first of those that programs may give one.
var subtypes = []byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 128}
