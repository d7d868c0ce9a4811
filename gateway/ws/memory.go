package ws

import (
	"context"

	"github.com/secondgate/secondgate/gateway/door"
	"github.com/secondgate/secondgate/gateway/limits"
	"github.com/secondgate/secondgate/gateway/store"
	"github.com/secondgate/secondgate/protocol"
)

const (
	// block is what a session takes of Env.Memory at a time: nearly all sessions hold less, and cost
	// the others nothing.
	block = 16 << 10
	// followBytes is what following one collection or document costs beside their names.
	followBytes = 200
	// mostAnswer bounds what a batch takes room for before it is carried out. Where memory is short
	// it takes a quarter: it would otherwise wait until nobody else holds anything.
	mostAnswer = 16 << 20
)

// account adds to the bytes that the session holds for its client: requests that wait or are carried
// out, answers that are not written, names that it follows. The caller holds mu.
func (s *Session) account(n int) {
	if s.settled { // the gateway may still announce that it stops
		return
	}
	s.held += n
	room := s.held / block * block
	switch {
	case room > s.room:
		s.env.Memory.Take(room - s.room)
	case room < s.room:
		s.env.Memory.Release(s.room - room)
	}
	s.room = room
}

// giveBack gives all of it back once nothing of the session runs.
func (s *Session) giveBack() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.env.Memory.Release(s.room)
	s.room, s.held, s.settled = 0, 0, true
}

// acquire takes room for what a request will make the gateway hold. The caller releases it once the
// answer is accounted for. Where memory is short, a page is cut to what is kept for small requests,
// so that a client with little to read is served beside those that hold much.
func (s *Session) acquire(ctx context.Context, r *protocol.Request) (room int, refused *protocol.Error) {
	switch r.Type {
	case protocol.TypeList, protocol.TypeSubscribe:
		if room, ok := s.env.Memory.TryAcquire(pageBytes); ok {
			return room, nil
		}
	case protocol.TypeBatch:
		most := min(mostAnswer, s.env.Memory.Size()/4)
		return door.Room(ctx, s.env.Memory, min(most, len(r.Operations)*s.env.Limits.DocumentBytes))
	case protocol.TypeQuery:
		return door.Room(ctx, s.env.Memory, min(store.QueryBytes, s.env.Memory.Size()/4))
	case protocol.TypeUnsubscribe:
		return 0, nil
	}
	return door.Room(ctx, s.env.Memory, limits.Small)
}
