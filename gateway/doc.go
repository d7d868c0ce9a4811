// Package gateway wires the doors to one backend, runs them and stops them.
//
// A write takes this path: door ([ws], [rest]) → protocol.Request → store → backends.Backend.Write
// → answer. A change takes this one: commit → backends.Feed → hub → the scope's log → subscription
// → sender → door ([ws], [sse]). A write answers its writer; only the feed tells others: foreign
// SQL, another gateway and an agent take the same path.
//
// # Packages
//
// Imports point down only; `make layers` checks it.
//
//	gateway                            wires, runs and stops them
//	ws sse rest                        the doors; proxy is every other path
//	door                               what doors share: Env, Registry, Body
//	store            sender            the way to the database; who writes a connection's output
//	hub                                one feed becomes scope logs and subscriptions
//	access limits metrics retry socket
//
// # Goroutines and the end
//
// Gateway owns the hub's loop and the shards. The registry of connections owns sessions and direct
// streams, which outlive the requests that began them. Stop order: refuse new → goaway → drain with
// a deadline → hub → shards → feed → backend.
//
// # Locks
//
// The registry's mutex comes before those of sessions and streams, those before a Sender's and
// before a replay's, these before the hub's (see package hub). None is held while a peer or the
// database is waited for.
package gateway
