package audit

import (
	"time"

	"github.com/secondgate/secondgate/protocol"
)

// object appends the members of a JSON object, which the caller names in their order.
type object struct {
	dst   []byte
	empty bool
}

func begin(dst []byte) object { return object{append(dst, '{'), true} }

func (o *object) end() []byte { return append(o.dst, '}') }

func (o *object) name(name string) {
	if !o.empty {
		o.dst = append(o.dst, ',')
	}
	o.empty = false
	o.dst = append(append(append(o.dst, '"'), name...), '"', ':')
}

// text leaves an empty text out.
func (o *object) text(name, text string) {
	if text != "" {
		o.name(name)
		o.dst = appendString(o.dst, text)
	}
}

// appendString spares most texts the search for what needs an escape.
func appendString(dst []byte, text string) []byte {
	for i := range len(text) {
		if c := text[i]; c < ' ' || c >= 0x7f || c == '"' || c == '\\' {
			return protocol.AppendString(dst, text)
		}
	}
	return append(append(append(dst, '"'), text...), '"')
}

func (o *object) texts(name string, all []string) {
	o.name(name)
	o.dst = append(o.dst, '[')
	for i, text := range all {
		if i > 0 {
			o.dst = append(o.dst, ',')
		}
		o.dst = appendString(o.dst, text)
	}
	o.dst = append(o.dst, ']')
}

func (o *object) time(name string, at time.Time) {
	o.name(name)
	o.dst = append(protocol.AppendTime(append(o.dst, '"'), at), '"')
}

// raw appends JSON, an empty object for none.
func (o *object) raw(name string, value []byte) {
	if o.name(name); value == nil {
		value = []byte("{}")
	}
	o.dst = append(o.dst, value...)
}

func (o *object) object(name string, members func(*object)) {
	o.name(name)
	inner := begin(o.dst)
	members(&inner)
	o.dst = inner.end()
}
