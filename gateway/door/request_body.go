package door

import (
	"errors"
	"net/http"
	"os"
	"time"

	"github.com/secondgate/secondgate/gateway/store"
	"github.com/secondgate/secondgate/protocol"
)

// TakeBody reads at most a frame's worth, within the time of a request. The caller releases room.
func (e *Env) TakeBody(
	w http.ResponseWriter, r *http.Request,
) (body []byte, room int, refused *protocol.Error) {
	most := e.Limits.FrameBytes
	control := http.NewResponseController(w)
	// A connection without deadlines has the server's own.
	_ = control.SetReadDeadline(time.Now().Add(store.RequestTime))
	whole := http.MaxBytesReader(w, r.Body, int64(most))
	body, room, err := e.ReadText(r.Context(), whole, func() {})
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &refused):
		return nil, room, refused
	case errors.As(err, &large):
		return nil, room, protocol.Errorf(protocol.CodeTooLarge, "the body is over %d bytes", most)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, room, protocol.Errorf(protocol.CodeTimeout, "the body took longer than %s", store.RequestTime)
	case err != nil:
		return nil, room, protocol.Errorf(protocol.CodeInvalidMessage, "the body could not be read")
	}
	_ = control.SetReadDeadline(time.Time{})
	return body, room, nil
}
