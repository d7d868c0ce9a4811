package protocol

import (
	"bytes"
	"slices"
	"strconv"
	"strings"
)

// maxBackfill bounds how many nulls a path may add to an array to reach its index, as MongoDB does.
const maxBackfill = 1500

// Merge replaces top-level members of a canonical object with those of a canonical patch; null is
// kept as null. The result is canonical.
func Merge(object, patch []byte) []byte {
	var old, changed []member
	for n, v := range Members(object) {
		old = append(old, member{n, v})
	}
	for n, v := range Members(patch) {
		changed = append(changed, member{n, v})
	}
	out := make([]byte, 0, len(object)+len(patch))
	out = append(out, '{')
	for len(old) > 0 || len(changed) > 0 {
		m := nextMember(&old, &changed)
		if len(out) > 1 {
			out = append(out, ',')
		}
		out = append(append(append(out, m.name...), ':'), m.value...)
	}
	return append(out, '}')
}

type member struct{ name, value []byte }

// nextMember takes the next name in order from either side; the changed side wins where both have
// it.
func nextMember(old, changed *[]member) member {
	take := func(from *[]member) member {
		m := (*from)[0]
		*from = (*from)[1:]
		return m
	}
	if len(*changed) == 0 {
		return take(old)
	}
	if len(*old) == 0 {
		return take(changed)
	}
	switch c := compareNames((*old)[0].name, (*changed)[0].name); {
	case c < 0:
		return take(old)
	case c == 0:
		take(old)
	}
	return take(changed)
}

// MergePaths is [Merge] for requests with paths: true, as the legacy doors imply: a name with dots
// is the way to a nested field. Missing objects on the way are created, an array takes an index, a
// scalar in the way is refused, and so are two paths of which one leads through the other
// (invalid_document).
func MergePaths(object, patch []byte) ([]byte, error) {
	var paths [][]string
	for name, value := range Members(patch) {
		path := strings.Split(unquote(name), ".")
		if len(path) > 1 && slices.Contains(path, "") || len(path) > MaxDepth {
			return nil, Errorf(CodeInvalidDocument, "the path %q has an empty or too deep part", unquote(name))
		}
		if err := checkOverlap(paths, path); err != nil {
			return nil, err
		}
		paths = append(paths, path)
		var err error
		if object, err = setPath(object, path, value); err != nil {
			return nil, err
		}
	}
	if depth(object) > MaxDepth {
		return nil, errTooDeep(MaxDepth)
	}
	return object, nil
}

func checkOverlap(paths [][]string, path []string) error {
	for _, p := range paths {
		n := min(len(p), len(path))
		if slices.Equal(p[:n], path[:n]) {
			return Errorf(
				CodeInvalidDocument, "the paths %q and %q overlap: change one of them", strings.Join(p, "."),
				strings.Join(path, "."),
			)
		}
	}
	return nil
}

// setPath is the canonical value with the one at path replaced.
func setPath(value []byte, path []string, to []byte) ([]byte, error) {
	if len(path) == 0 {
		return to, nil
	}
	switch {
	case value == nil:
		value = []byte("{}")
	case value[0] == '[':
		return setElement(value, path, to)
	case value[0] != '{':
		return nil, Errorf(CodeInvalidDocument, "the path part %q leads into a value that is no object", path[0])
	}
	inner, _ := Member(value, path[0])
	inner, err := setPath(inner, path[1:], to)
	if err != nil {
		return nil, err
	}
	return Merge(
		value, buildObject(func(add func(name, value []byte)) { add(AppendString(nil, path[0]), inner) }),
	), nil
}

func setElement(array []byte, path []string, to []byte) ([]byte, error) {
	elements := slices.Collect(Elements(array))
	index, err := strconv.Atoi(path[0])
	if err != nil || index < 0 || strconv.Itoa(index) != path[0] || index > len(elements)+maxBackfill {
		return nil, Errorf(CodeInvalidDocument, "the path part %q is no usable index of an array", path[0])
	}
	for len(elements) <= index {
		elements = append(elements, nil)
	}
	if elements[index], err = setPath(elements[index], path[1:], to); err != nil {
		return nil, err
	}
	for i, e := range elements {
		if e == nil {
			elements[i] = []byte("null")
		}
	}
	return append(append([]byte{'['}, bytes.Join(elements, []byte{','})...), ']'), nil
}

// Lookup is the value at a filter key: a member, or with paths the nested value that a dotted name
// leads to.
func Lookup(object []byte, name string, paths bool) ([]byte, bool) {
	if !paths || !strings.Contains(name, ".") {
		return Member(object, name)
	}
	value, ok := object, true
	for part := range strings.SplitSeq(name, ".") {
		if value, ok = step(value, part); !ok {
			return nil, false
		}
	}
	return value, true
}

func step(value []byte, part string) ([]byte, bool) {
	switch value[0] {
	case '{':
		return Member(value, part)
	case '[':
		index := 0
		for e := range Elements(value) {
			if strconv.Itoa(index) == part {
				return e, true
			}
			index++
		}
	}
	return nil, false
}
