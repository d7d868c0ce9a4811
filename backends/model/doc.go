// Package model is the contract of package backends as a program: an in-memory database that keeps every
// promise of it and none besides. What a gateway gets right over the model, it gets right over all drivers.
//
// It works as PostgreSQL does, because that is the hardest of the databases behind a gateway. A transaction
// takes a number when it begins, locks what it writes, and commits some time later: out of the order of
// numbers, while others begin and end. A [snapshot] therefore is a set of transactions, not a number, and the
// changes between two snapshots are a difference of sets. On purpose, and by seeded dice (see [Options]):
//
//   - a read answers from any snapshot that the contract allows, however old;
//   - a feed tells many commits at once, or none; it leaves replaced states out, mixes the order between
//     documents, loses whole scopes, breaks and has to be watched again;
//   - a transaction is rolled back and run again, and its Entries are asked for twice;
//   - when a context ends, its write has happened or has not.
//
// A write goes Write → transact → store; a change goes store → difference → feed.
package model
