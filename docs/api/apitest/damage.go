package apitest

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Damaged is a text with one thing wrong.
type Damaged struct {
	// What says where and how, such as "docs[]._id: dropped".
	What string
	Text string
}

// Damage is each way to spoil a JSON text in one place: each member dropped, each value of every
// other type, and each object with a member too many. Of documents (objects with an _id) only their
// own members are spoiled, and nothing added, since their data is anything.
func Damage(text string) (all []Damaged) {
	var root any
	if err := json.Unmarshal([]byte(text), &root); err != nil {
		return nil
	}
	spoil("", root, func(what string, changed any) {
		damaged, _ := json.Marshal(changed) // it was JSON before
		all = append(all, Damaged{what, string(damaged)})
	})
	return all
}

var samples = []any{
	nil, true, 5.5, "\x7f text", []any{}, []any{5.5}, map[string]any{}, map[string]any{"surplus": true},
}

// spoil hands each damaged form of v to found, which puts it in its place.
func spoil(path string, v any, found func(what string, changed any)) {
	for _, other := range samples {
		if kind(other) != kind(v) {
			found(path+": "+kind(other), other)
		}
	}
	switch v := v.(type) {
	case map[string]any:
		spoilObject(path, v, found)
	case []any:
		for i, element := range v {
			spoil(path+"[]", element, func(what string, changed any) {
				copied := slices.Clone(v)
				copied[i] = changed
				found(what, copied)
			})
		}
	}
}

func spoilObject(path string, object map[string]any, found func(what string, changed any)) {
	_, document := object["_id"]
	if !document {
		found(path+": a member too many", with(object, "surplus", true))
	}
	for _, name := range slices.Sorted(maps.Keys(object)) {
		if document && !strings.HasPrefix(name, "_") {
			continue
		}
		at := strings.TrimPrefix(path+"."+name, ".")
		without := maps.Clone(object)
		delete(without, name)
		found(at+": dropped", without)
		spoil(at, object[name], func(what string, changed any) { found(what, with(object, name, changed)) })
	}
}

func with(object map[string]any, name string, value any) map[string]any {
	copied := maps.Clone(object)
	copied[name] = value
	return copied
}

func kind(v any) string {
	switch v.(type) {
	case nil:
		return "null"
	case map[string]any:
		return "object"
	case []any:
		return "array"
	}
	return fmt.Sprintf("%T", v)
}
