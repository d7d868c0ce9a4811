package protocol

import (
	"slices"
	"strconv"
	"strings"
)

// maxBackfill bounds how many nulls the paths of a patch may add to arrays to reach their indexes.
// MongoDB has the same bound for a path.
const maxBackfill = 1500

// pathTree is a patch of paths as a tree: a leaf has the new value, any other node the parts that
// follow it.
type pathTree struct {
	part  string
	name  []byte // part as a JSON string
	value []byte // nil: not a leaf
	below []*pathTree
	index map[string]*pathTree // below, by part
}

// MergePaths is [Merge] for requests with paths: true, as the legacy doors imply: a name with dots
// is the way to a nested field. Missing objects on the way are created, an array takes an index, a
// scalar in the way is refused, and so are two paths of which one leads through the other
// (invalid_document).
//
// It takes one pass over the values on the way, however many paths there are.
func MergePaths(object, patch []byte) ([]byte, error) {
	tree := &pathTree{}
	for name, value := range Members(patch) {
		if err := tree.add(unquote(name), value); err != nil {
			return nil, err
		}
	}
	if len(tree.below) == 0 {
		return object, nil
	}
	nulls := maxBackfill
	out, err := tree.apply(make([]byte, 0, len(object)+len(patch)), object, &nulls)
	if err != nil {
		return nil, err
	}
	if depth(out) > MaxDepth {
		return nil, errTooDeep(MaxDepth)
	}
	return out, nil
}

// add puts a path into the tree.
func (t *pathTree) add(path string, value []byte) error {
	parts := strings.Split(path, ".")
	if len(parts) > 1 && slices.Contains(parts, "") || len(parts) > MaxDepth {
		return Errorf(CodeInvalidDocument, "the path %q has an empty or too deep part", path)
	}
	at := t
	for i, part := range parts {
		next := at.index[part]
		last := i == len(parts)-1
		switch {
		case next == nil:
			next = at.child(part)
		case last || next.value != nil:
			return Errorf(CodeInvalidDocument, "the path %q overlaps another one: change one of them", path)
		}
		at = next
	}
	at.value = value
	return nil
}

func (t *pathTree) child(part string) *pathTree {
	if t.index == nil {
		t.index = map[string]*pathTree{}
	}
	c := &pathTree{part: part, name: AppendString(nil, part)}
	t.index[part] = c
	t.below = append(t.below, c)
	return c
}

// apply appends the value with the tree's paths replaced. The value is nil where there is none.
// nulls is how many nulls may still be added to arrays.
func (t *pathTree) apply(dst, value []byte, nulls *int) ([]byte, error) {
	switch {
	case t.value != nil:
		return append(dst, t.value...), nil
	case value == nil:
		return t.applyObject(dst, []byte("{}"), nulls)
	case value[0] == '[':
		return t.applyArray(dst, value, nulls)
	case value[0] != '{':
		return nil, Errorf(CodeInvalidDocument,
			"the path part %q leads into a value that is no object", t.below[0].part)
	}
	return t.applyObject(dst, value, nulls)
}

// applyObject merges the members of an object with the parts below, both in canonical order.
func (t *pathTree) applyObject(dst, object []byte, nulls *int) (out []byte, err error) {
	parts := slices.SortedFunc(slices.Values(t.below), func(a, b *pathTree) int {
		return compareNames(a.name, b.name)
	})
	out = append(dst, '{')
	first := len(out)
	put := func(name []byte, part *pathTree, value []byte) {
		if len(out) > first {
			out = append(out, ',')
		}
		out = append(append(out, name...), ':')
		if part == nil {
			out = append(out, value...)
			return
		}
		out, err = part.apply(out, value, nulls)
	}
	for name, value := range Members(object) {
		for err == nil && len(parts) > 0 && compareNames(parts[0].name, name) < 0 {
			put(parts[0].name, parts[0], nil)
			parts = parts[1:]
		}
		var part *pathTree
		if len(parts) > 0 && compareNames(parts[0].name, name) == 0 {
			part, parts = parts[0], parts[1:]
		}
		if err == nil {
			put(name, part, value)
		}
		if err != nil {
			return nil, err
		}
	}
	for _, part := range parts {
		if put(part.name, part, nil); err != nil {
			return nil, err
		}
	}
	return append(out, '}'), nil
}

// applyArray replaces elements. The parts below are indexes, taken in the order of the patch.
func (t *pathTree) applyArray(dst, array []byte, nulls *int) (out []byte, err error) {
	elements := slices.Collect(Elements(array))
	changed := map[int]*pathTree{}
	end := len(elements)
	for _, c := range t.below {
		index, err := strconv.Atoi(c.part)
		if err != nil || index < 0 || strconv.Itoa(index) != c.part || index > end+*nulls {
			return nil, Errorf(CodeInvalidDocument, "the path part %q is no usable index of an array", c.part)
		}
		changed[index] = c
		*nulls -= max(0, index-end)
		end = max(end, index+1)
	}
	out = append(dst, '[')
	for i := range end {
		if i > 0 {
			out = append(out, ',')
		}
		var value []byte
		if i < len(elements) {
			value = elements[i]
		}
		switch c := changed[i]; {
		case c != nil:
			if out, err = c.apply(out, value, nulls); err != nil {
				return nil, err
			}
		case value == nil:
			out = append(out, "null"...)
		default:
			out = append(out, value...)
		}
	}
	return append(out, ']'), nil
}
