// Package store is the only way from a client to the database. It turns a request of a principal
// into reads, a transaction and an answer, and a wish to follow into a subscription.
//
// A write takes this path: door → protocol.Request → [Store.Write] (authorise, check, stamp with
// ids, times and digest) → backends.Backend.Write → answer. It tells the hub's feed that something
// was committed; only the feed tells others.
//
// A read or a follow takes a [access.Principal] as well, catch-ups and replays included. Nothing
// that a door calls here reaches the database before the access mode has allowed it, so no door can
// forget to ask.
//
// Faults of the database end here: clients get a sentence, [faults] has the cause logged and counted,
// and [Store.ProbeWrite] says whether writes succeed.
package store
