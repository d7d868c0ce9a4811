// Package model is the contract of package backends as a program: an in-memory database that keeps
// every promise of the contract and no other. A gateway that works with the model works with all
// drivers.
//
// It works as PostgreSQL does, which is the hardest of the databases. A transaction gets a number
// when it begins, locks what it writes, and commits later: not in the order of numbers, while
// others begin and end. So a [snapshot] is a set of transactions, and the changes between two
// snapshots are a difference of sets.
//
// Seeded dice (see [Options]) make it use all the freedom that the contract gives:
//
//   - A read answers from any snapshot that the contract allows, however old.
//   - A feed returns many commits at once, or none. It leaves replaced states out, mixes the order between
//     documents, loses whole scopes, and breaks.
//   - A transaction is rolled back and run again, and its Entries are called twice.
//   - When a context ends, its write has happened or not.
//
// A write goes Write → transact → store. A change goes store → difference → feed.
package model
