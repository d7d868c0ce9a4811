// Package backends is the contract between the gateway and a database.
//
// A [Backend] keeps documents. Its [Feed] tells what was committed to them, by anyone. A write
// takes one path: Write → the database → trigger or oplog → Feed.Next. Logic that must not differ
// between databases is decided once, by package protocol and by [Write.Apply]: ids, times,
// fingerprints, merging, filters and the JSON rules. A driver finds, applies and stores.
//
// # Snapshots and cursors
//
// A [Cursor] stands for one committed snapshot of the whole database. Every read tells the cursor
// of its snapshot, and every [Batch] of a feed is the difference between two. So a caller can join
// a list at cursor C with a feed: the changes that the list does not contain are those for which
// C.Covers is false.
//
// # Drivers
//
// Package backends/model is this contract as an executable specification, package conformance its
// proof. Package backends/driverkit holds what drivers share. Each concept has the same file name
// in every driver:
//
//	open.go         Options, Backend, Open, Close
//	schema.go       what is stored beside documents; versions, migrations
//	check.go        Check, for operators
//	guard.go        refuses calls while the database is not as the gateway made it
//	errors.go       errors of the database become those of the contract
//	document.go     the stored form of a document
//	cursor.go       the cursor, its bytes, whether it can be resumed
//	snapshot.go     reading one snapshot
//	read.go         Get, Collections
//	list.go         List
//	write.go        Write: from the caller to the queue and back
//	writer.go       groups of writes and the workers that carry them out
//	transaction.go  one transaction: find, decide, commit
//	store.go        how a change is stored
//	mutation.go     records and replays of mutations
//	upsert.go       finding the document that a filter means
//	ledger.go       Put, Take, Find, FindLast
//	feed.go         Watch, and Next
//	since.go        Since, Gone: the history between two snapshots
//	maintenance.go  retention: what is removed, and when
//
// Files with other names hold what only that database needs, such as the change stream of MongoDB.
package backends
