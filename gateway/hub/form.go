package hub

import (
	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/gateway/socket"
	"github.com/secondgate/secondgate/protocol"
)

// Form is how followers get what a log has.
type Form int

// The forms.
const (
	Frame     Form = iota // one WebSocket frame
	FrameBy               // one WebSocket frame, changes with their authors
	Events                // events of an event stream, documents without _rev
	EventsRev             // events, documents with _rev
	formsOfText
)

// Compressed is added to a form: what is joined is compressed once for all who take it so. Events are
// then blocks of deflate ([socket.Blocks]).
const Compressed = formsOfText

const forms = 2 * formsOfText

// EventsWith is the form of event streams whose documents carry _rev or not.
func EventsWith(rev bool) Form {
	if rev {
		return EventsRev
	}
	return Events
}

// text is the form before it is compressed.
func (f Form) text() Form { return f % Compressed }

// encode joins changes and the bookmark that follows them. text is what a compressed form of events
// holds.
func (f Form) encode(s protocol.Scope, changes []*Change, c backends.Cursor) (bytes, text []byte) {
	joined := f.text().join(s, changes, c)
	switch f {
	case Frame + Compressed, FrameBy + Compressed:
		return socket.Compress(joined), nil
	case Events + Compressed, EventsRev + Compressed:
		return socket.Blocks(make([]byte, 0, len(joined)/2), joined), joined
	}
	return joined, nil
}

func (f Form) join(s protocol.Scope, changes []*Change, c backends.Cursor) []byte {
	messages := make([][]byte, 0, len(changes)+1)
	size := 0
	for _, change := range changes {
		message := f.Message(change)
		messages, size = append(messages, message), size+len(message)+1
	}
	if f == Frame || f == FrameBy {
		bookmark := encodeBookmark(s, c)
		buffer := make([]byte, socket.HeaderSpace, socket.HeaderSpace+size+len(bookmark)+2)
		return socket.Frame(protocol.AppendFrame(buffer, append(messages, bookmark)...))
	}
	buffer := make([]byte, 0, size+256)
	for _, m := range messages {
		buffer = append(buffer, m...)
	}
	return protocol.AppendEventID(buffer, protocol.EncodeCursor(s, c.Append(nil)))
}

// Message is a change in the form.
func (f Form) Message(c *Change) []byte {
	switch f.text() {
	case Frame:
		return c.JSON()
	case FrameBy:
		return c.JSONBy()
	}
	return c.Event(f.text() == EventsRev)
}
