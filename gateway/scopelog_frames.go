package gateway

import (
	"sync"

	"github.com/secondgate/secondgate/gateway/socket"
	"github.com/secondgate/secondgate/protocol"
)

// What followers who are level get next is the same messages, each of them made once for all: then so is their frame. A
// frame of many messages is not worth keeping, since followers that lag are each at a place of their own.
const (
	sharedMessages = 8
	sharedBytes    = 8 << 10
)

// sharedFrame is the newest frame of a scope.
type sharedFrame struct {
	mu    sync.Mutex
	parts [sharedMessages]*byte // the messages, by where they lie
	n     int
	frame []byte
}

// of is the frame of messages, nil if it is not one to share.
func (f *sharedFrame) of(messages [][]byte) []byte {
	if len(messages) > sharedMessages {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.same(messages) {
		return f.frame
	}
	size := 0
	for _, m := range messages {
		size += len(m)
	}
	if size > sharedBytes {
		return nil
	}
	// Messages that are kept here cannot be freed and their place taken by others.
	f.n = len(messages)
	for i, m := range messages {
		f.parts[i] = &m[0]
	}
	f.frame = socket.Frame(protocol.AppendFrame(make([]byte, socket.HeaderSpace, socket.HeaderSpace+size+len(messages)+1), messages...))
	return f.frame
}

func (f *sharedFrame) same(messages [][]byte) bool {
	if f.n != len(messages) {
		return false
	}
	for i, m := range messages {
		if f.parts[i] != &m[0] {
			return false
		}
	}
	return true
}
