package rest

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/secondgate/secondgate/gateway/access"
	"github.com/secondgate/secondgate/gateway/door"
	"github.com/secondgate/secondgate/protocol"
)

// ticketPath is where tickets are made. Its other methods are those of the document of that name.
const ticketPath = door.DataPath + "/ticket"

// ticket is POST …/data/ticket. What the body says does not matter.
func (h handler) ticket(c *call, w http.ResponseWriter, r *http.Request) *protocol.Error {
	if refused := h.env.Quotas.MakesTicket(r, c.principal); refused != nil {
		return refused
	}
	if refused := h.takeRoom(c); refused != nil {
		return refused
	}
	var made access.Ticket
	refused := retryUnavailable(r.Context(), func(ctx context.Context) (refused *protocol.Error) {
		made, refused = h.env.Tickets.Make(ctx, c.principal, c.scope)
		return refused
	})
	if refused != nil {
		return refused
	}
	body, _ := json.Marshal(struct { // cannot fail
		Ticket    string `json:"ticket"`
		ExpiresAt string `json:"expiresAt"`
	}{made.Text, string(protocol.AppendTime(nil, made.Expires))})
	h.answerJSON(c, w, http.StatusOK, append(body, '\n'))
	return nil
}
