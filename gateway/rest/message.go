package rest

import (
	"net/http"

	"github.com/secondgate/secondgate/gateway/door"
	"github.com/secondgate/secondgate/protocol"
)

// messagePath takes any write of the socket.
const messagePath = door.DataPath + "/write"

// message is POST …/data/write. Its body is a write as a socket takes it, a batch and an upsert too, and its
// answer is the socket's. A refusal is REST's.
func (h handler) message(c *call, w http.ResponseWriter, r *http.Request) *protocol.Error {
	if len(r.Header.Values("If-Match")) > 0 {
		return errIfMatch
	}
	request, refused := h.readBody(c, w, r, protocol.DecodeRequest)
	if refused == nil && !request.Writes() {
		refused = protocol.Errorf(protocol.CodeInvalidMessage,
			"the body is a write, such as second:data:upsert or second:data:batch; for reads there is GET")
	}
	if refused != nil {
		return refused
	}
	a, refused := h.write(r, c, request)
	if refused == nil {
		h.answerJSON(c, w, http.StatusOK, append(a.Append(nil), '\n'))
	}
	return refused
}
