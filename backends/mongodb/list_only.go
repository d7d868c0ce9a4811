package mongodb

import (
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/secondgate/secondgate/protocol"
)

// seenAsText are the types of values that clients see as a text and that are none.
var seenAsText = bson.A{"date", "objectId", "decimal", "binData"}

// conditionsOn are conditions that every document fulfils which the filter matches: those on texts,
// true and false. Other programs may have stored a value that clients see as a text, so a text also
// asks for those.
func conditionsOn(f *protocol.Filter) (all bson.D) {
	if f == nil {
		return nil
	}
	var either bson.A
	for _, c := range f.Conditions {
		if !plainName(c.Field) { // nor a path
			continue
		}
		field := "data." + c.Field
		switch c.Value[0] {
		case 't', 'f':
			either = append(either, bson.D{{Key: field, Value: c.Value[0] == 't'}})
		case '"':
			either = append(either, bson.D{{Key: "$or", Value: bson.A{
				bson.D{{Key: field, Value: bson.D{{Key: "$eq", Value: unquote(c.Value)}}}},
				bson.D{{Key: field, Value: bson.D{{Key: "$type", Value: seenAsText}}}},
			}}})
		}
	}
	if len(either) == 0 {
		return nil
	}
	return bson.D{{Key: "$and", Value: either}}
}
