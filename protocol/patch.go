package protocol

import (
	"strconv"
	"strings"
)

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
