package rest

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/secondgate/secondgate/gateway/audit"
	"github.com/secondgate/secondgate/gateway/door"
	"github.com/secondgate/secondgate/gateway/store"
	"github.com/secondgate/secondgate/protocol"
)

// undoPath is where change sets are undone.
const undoPath = door.DataPath + "/undo"

// undo is POST …/data/undo {changeSet}.
func (h handler) undo(c *call, w http.ResponseWriter, r *http.Request) *protocol.Error {
	body, room, refused := h.env.TakeBody(w, r)
	c.room += room
	if refused != nil {
		return refused
	}
	var asked struct{ ChangeSet string }
	if json.Unmarshal(body, &asked) != nil || asked.ChangeSet == "" {
		return protocol.Errorf(protocol.CodeInvalidMessage, `the body names what to undo: {"changeSet":"ID"}`)
	}
	if refused := h.takeRoom(c); refused != nil {
		return refused
	}
	var done store.Undone
	ctx := audit.WithOrigin(r.Context(), h.origin(r))
	refused = retryUnavailable(ctx, func(ctx context.Context) (refused *protocol.Error) {
		done, refused = h.env.Store.Undo(ctx, c.principal, c.scope, asked.ChangeSet)
		return refused
	})
	if refused != nil {
		return refused
	}
	answer, _ := json.Marshal(struct { // cannot fail
		ChangeSet string `json:"changeSet"`
		Documents int    `json:"documents"`
	}{done.ChangeSet, done.Documents})
	h.answerJSON(c, w, http.StatusOK, append(answer, '\n'))
	return nil
}
