// Package postgres keeps documents in PostgreSQL 13 or newer.
//
// # Data flow
//
// A write goes [Backend.Write] → a queue, whose workers carry out groups of inserts and of upserts
// by filter in one statement each → COMMIT → the announcer. Other writes are a [transaction] each:
// read under locks, [backends.Write.Apply], store.
//
// A change goes COMMIT → the log → [feed.Next], which reads the documents' states in the snapshot
// in which it reads the log. The transaction of a write logs it: the gateway in the statement that
// makes the change, triggers for other programs. NOTIFY only wakes feeds.
//
// # Snapshots
//
// Transactions do not commit in the order of their numbers, so a feed cannot ask for numbers above
// the last one. It reads the difference of two snapshots: the rows of transactions that the later
// snapshot shows and the earlier one does not. A [backends.Cursor] is such a snapshot. Those of one
// server are nested.
package postgres
