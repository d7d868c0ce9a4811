package gateway

import (
	"crypto/rand"

	"github.com/secondgate/secondgate/backends"
)

// Principal is who asks. The memory of mutations is kept apart by its ID.
type Principal struct {
	ID    string
	Actor backends.Actor
}

// Anonymous is everyone in mode none: local use, where whoever reaches the socket may do everything.
var Anonymous = Principal{Actor: backends.Actor{Kind: "anonymous"}}

// newConnectionID names a connection in logs and to its client; it is no secret, and cannot be guessed.
func newConnectionID() string { return rand.Text() }
