// Package backends says what a database must do to stand behind the gateway.
//
// A [Backend] keeps documents; its [Feed] tells what was committed to them, by anyone. The path of a write is
// Write → the database → trigger or oplog → Feed.Next; there is no second one. Logic that must not differ
// between databases (ids, times, fingerprints, merging, filters, the rules of JSON) is decided once, by
// package protocol and by [Write.Apply]; a driver finds, applies and stores.
//
// # Snapshots and cursors
//
// A [Cursor] stands for one committed snapshot of the whole database. Every read says at which cursor it was
// made; every [Batch] of a feed is the difference between two. That is all a caller needs to join them: the
// changes that a list at cursor C does not contain are those for which C.Covers is false.
//
// Package backends/model is this contract as an executable specification, package conformance its proof.
package backends
