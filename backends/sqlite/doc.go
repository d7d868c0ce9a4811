// Package sqlite keeps documents in one SQLite file. Any sqlite3 program may write to the file
// beside the gateway.
//
// # Data flow
//
// A write goes [Backend.Write] → the queue → the [writer], which commits all writes that wait in
// one transaction → triggers, which log the key of each document → COMMIT.
//
// A change goes COMMIT → [feed.Next]. A feed learns of this process's commits from memory and of
// others' by polling PRAGMA data_version. Then it reads, in one snapshot, the documents that the
// log names.
//
// # Snapshots
//
// The log numbers snapshots: SQLite has one writer at a time, so the order of seq is commit order.
// migrations/*.sql is the schema and explains it.
//
// # Ownership
//
// The writer goroutine alone uses its connection and the live upsert indexes. Whoever holds
// feed.reading uses the feed's connection. The other connections are in Backend.readers when nobody
// uses them. No lock is taken while another is held.
package sqlite
