package door

import (
	"net/http"

	"github.com/secondgate/secondgate/protocol"
)

// IdempotencyKey is the client's id for a write, so that sending it again has one effect; empty if it gives
// none.
func IdempotencyKey(r *http.Request) (string, *protocol.Error) {
	keys := r.Header.Values("Idempotency-Key")
	if len(keys) == 0 {
		return "", nil
	}
	if len(keys) > 1 || keys[0] == "" || len(keys[0]) > protocol.MaxName || !IsText(keys[0]) {
		return "", protocol.Errorf(
			protocol.CodeInvalidMessage, "Idempotency-Key must be one text of 1 to %d bytes", protocol.MaxName,
		)
	}
	return keys[0], nil
}
