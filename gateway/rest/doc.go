// Package rest is the door for plain HTTP: the paths, statuses and shapes that today's clients use,
// to the letter (see docs/protocol.md).
//
// A request takes this path: its URL becomes a call → the store reads or writes for the call's
// principal, again for as long as the database is away → the answer. A long list is streamed page
// by page. Today's clients show any error as an empty list, so a passing fault is waited out.
package rest
