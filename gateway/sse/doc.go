// Package sse is the door for event streams (Server-Sent Events,
// https://html.spec.whatwg.org/multipage/server-sent-events.html): one [Stream] each.
//
// A change takes this path: the subscription wakes the [sender.Sender] → [Stream.Next] → the
// response. The past takes the same one, in pieces between the live changes: the last seconds, or
// after a reset the replay of all documents, whose pages streams of one scope share.
//
// # Goroutines
//
// A direct stream is written beside net/http and outlives its request: it is a goroutine that waits
// for the peer's end. Any other is its request's own goroutine. What they send runs in the Sender's
// goroutines; both wait for that before they return.
package sse
