package mongodb

import "go.mongodb.org/mongo-driver/v2/bson"

// A program may update by a pipeline that moves fields. The server logs the difference, in which a moved field is one to be
// put at the end, and applies it for a change stream without taking the old one out (seen on 6.0.5): the document that the
// event shows has the name twice, first as it was and last as it is, at any depth.

// moved is the document of an update's event with what each name has last.
func moved(doc bson.Raw) bson.Raw {
	if !twice(doc) {
		return doc
	}
	if settled, err := bson.Marshal(lastOfEach(doc)); err == nil {
		return settled
	}
	return doc
}

// twice tells whether an object has two fields of one name anywhere.
func twice(object bson.Raw) bool {
	elements, _ := object.Elements() // what is broken is found by those who read it
	seen := make(map[string]struct{}, len(elements))
	for _, e := range elements {
		if _, again := seen[e.Key()]; again || twiceIn(e.Value()) {
			return true
		}
		seen[e.Key()] = struct{}{}
	}
	return false
}

func twiceIn(v bson.RawValue) bool {
	if object, ok := v.DocumentOK(); ok {
		return twice(object)
	}
	if array, ok := v.ArrayOK(); ok {
		return twice(bson.Raw(array)) // whose names are numbers
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
