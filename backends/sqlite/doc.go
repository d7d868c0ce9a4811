// Package sqlite keeps documents in one SQLite file, which any sqlite3 may write to beside the gateway.
//
// A write goes Write → the queue → the [writer]'s one transaction for all that waited → triggers, which log the
// document's key → COMMIT. A change goes commit → PRAGMA data_version or a poke → [feed], which reads from one
// snapshot what each logged document is now. Reads have connections of their own and see every commit at once.
//
// Snapshots are numbered by the log: one writer at a time makes seq order commit order. migrations/*.sql is the
// schema and explains it.
//
// Who owns what: the writer goroutine alone touches its connection and the live upsert indexes; a feed's
// connection belongs to whoever holds feed.reading; the other connections go round in Backend.readers. No lock is
// taken while another is held.
package sqlite
