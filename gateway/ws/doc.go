// Package ws is the door for WebSockets: one [Session] each.
//
// A frame takes this path: the reader decodes it and queues a request → the worker executes it by
// the store, in order → its answer is queued → the [sender.Sender] asks [Session.Next] for the next
// frame, answers before changes → the socket. A change takes this one: the subscription wakes the
// Sender → Session.Next → the socket.
//
// # Goroutines
//
// A session is its reader, which outlives the request that opened it. It has a worker while
// requests wait, and what its Sender runs. The reader waits for both before it returns.
package ws
