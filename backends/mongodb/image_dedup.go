package mongodb

import "go.mongodb.org/mongo-driver/v2/bson"

// A program may update by a pipeline that moves fields. The server logs the difference, in which a
// moved field is added at the end. To make the post-image for a change stream, the server adds it
// without removing the old one (seen on 6.0.5). So the image has the name twice, at any depth:
// first with the old value, last with the new one.

// dedupImage removes all but the last field of each name from the image of an update.
func dedupImage(doc bson.Raw) bson.Raw {
	if !hasTwice(doc) {
		return doc
	}
	if image, err := bson.Marshal(lastOfEach(doc)); err == nil {
		return image
	}
	return doc
}

// hasTwice reports whether an object has two fields of one name, at any depth.
func hasTwice(object bson.Raw) bool {
	elements, _ := object.Elements() // a later reader finds damage
	seen := make(map[string]struct{}, len(elements))
	for _, e := range elements {
		if _, again := seen[e.Key()]; again || hasTwiceIn(e.Value()) {
			return true
		}
		seen[e.Key()] = struct{}{}
	}
	return false
}

func hasTwiceIn(v bson.RawValue) bool {
	if object, ok := v.DocumentOK(); ok {
		return hasTwice(object)
	}
	if array, ok := v.ArrayOK(); ok {
		return hasTwice(bson.Raw(array)) // an array is an object whose names are numbers
	}
	return false
}

func lastOfEach(object bson.Raw) bson.D {
	all, at := bson.D{}, map[string]int{}
	elements, _ := object.Elements()
	for _, e := range elements {
		i, again := at[e.Key()]
		if !again {
			i, at[e.Key()] = len(all), len(all)
			all = append(all, bson.E{Key: e.Key()})
		}
		all[i].Value = lastOfEachIn(e.Value())
	}
	return all
}

func lastOfEachIn(v bson.RawValue) any {
	if object, ok := v.DocumentOK(); ok {
		return lastOfEach(object)
	}
	array, ok := v.ArrayOK()
	if !ok {
		return v
	}
	values, _ := array.Values()
	all := make(bson.A, len(values))
	for i := range values {
		all[i] = lastOfEachIn(values[i])
	}
	return all
}
