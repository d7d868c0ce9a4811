package backends

import (
	"context"
	"errors"
	"time"

	"github.com/secondgate/secondgate/protocol"
)

var (
	// ErrCursor: the cursor is foreign, from the future, or older than the history that is kept.
	ErrCursor = errors.New("the cursor cannot be resumed")
	// ErrTooBig: the answer would be over the caller's byte bound.
	ErrTooBig = errors.New("more than the byte bound")
)

// MaxScopeBatch is how many bytes of documents a Batch may hold for one scope. A scope over it is Lost: its
// clients list again, which costs less than the changes would.
const MaxScopeBatch = 4 << 20

// MaxBatch is how many bytes of documents a Batch may hold altogether; what comes after is Lost by scope.
const MaxBatch = 64 << 20

// Backend is one open database. Its methods may be called by many goroutines at once; each returns within
// its context's time. Failures that a client caused are *protocol.Error, passing faults of the database carry
// protocol.CodeUnavailable or CodeTimeout, anything else is a defect and shown as internal.
//
// Every method reads or writes committed data only. A read that begins after Write has returned sees that
// write; beyond that, a read without a bound may answer from any later snapshot it likes, also one that the
// Feed has already left behind. Callers that must not go back pass notBefore; a cursor of another database there is
// ErrCursor.
//
// Data that others wrote and that the JSON rules refuse is withheld: reads and feeds treat the document as absent, while
// its id stays taken, so that no write replaces a stranger's row unseen.
type Backend interface {
	// Get reads one document from a snapshot that has Reached notBefore (nil: any). A document that does
	// not exist, or that the JSON rules withhold, is nil without an error.
	Get(ctx context.Context, r protocol.Ref, notBefore Cursor) (*protocol.Document, Cursor, error)

	// List reads one page of a collection from one snapshot.
	List(ctx context.Context, s protocol.Scope, q Query) (Page, error)

	// Collections counts the documents of each collection that has any, in a snapshot that has Reached notBefore (nil:
	// any); withheld ones may be counted.
	Collections(ctx context.Context, s protocol.Scope, notBefore Cursor) (map[string]int, error)

	// Write carries out the transactions in the order given, each all or nothing by itself, and answers each
	// at its index. It returns when all are durable and visible to later reads. Transactions of one call
	// take effect in their order; those of different calls in any. When ctx ends first, Outcome.Err is its error
	// and what happened is unknown; Tx.Mutation makes asking again safe.
	Write(ctx context.Context, txs []Tx) []Outcome

	// Since is one scope's Batch from a cursor up to a snapshot taken after the call began. It fails with
	// ErrCursor, and with ErrTooBig when the documents are over maxBytes (0: no bound).
	Since(ctx context.Context, s protocol.Scope, from Cursor, maxBytes int) (Batch, error)

	// Gone names the scope's documents that the history after a cursor (nil: all that is kept) tells of and that are
	// not there at the snapshot it returns, at most max of them. It fails with ErrCursor, and with ErrTooBig.
	Gone(ctx context.Context, s protocol.Scope, from Cursor, max int) ([]protocol.Ref, Cursor, error)

	// Watch follows all scopes from a cursor (nil: now). It fails with ErrCursor.
	Watch(ctx context.Context, from Cursor) (Feed, error)

	// Cursor parses what Cursor.Append wrote, in this process or another one of the same database. It fails with
	// ErrCursor if the bytes are foreign, from the future, or expired.
	Cursor(ctx context.Context, raw []byte) (Cursor, error)

	Ledger

	// Close ends all calls and waits for them. Feeds are closed by their owners before.
	Close() error
}

// Cursor is one committed snapshot of the database. Snapshots of one database are nested: of any two, one
// contains the other. A cursor is immutable.
type Cursor interface {
	// Reached: everything visible in other is visible here too.
	Reached(other Cursor) bool
	// Covers: the change, one that this backend made, is visible here.
	Covers(Change) bool
	// Append appends the cursor's bytes for Backend.Cursor, at most 1 KiB: a byte that names the backend,
	// what tells this database from others (8 bytes), and the position.
	Append([]byte) []byte
}

// Op is what happened to a document.
type Op uint8

// The operations. Upsert is a request only; its change is an Insert or an Update.
const (
	Insert Op = iota + 1
	Update
	Delete
	Upsert
)

// String is the operation as the wire names it.
func (o Op) String() string { return [...]string{"", "insert", "update", "delete", "upsert"}[o] }

// Actor is who made a change; the zero Actor is an outside writer.
type Actor struct {
	Kind string // "user", "agent", "service", "anonymous"
	ID   string
}

// Change is one document's new state. Insert and Update mean "is now this", Delete means "is gone"; between two
// snapshots, states that a later one replaced may be left out.
type Change struct {
	Ref protocol.Ref
	Op  Op
	// Doc is nil for a Delete.
	Doc *protocol.Document
	// Before is the document as the write found it (nil: there was none); set in a write's Outcome only.
	Before *protocol.Document
	// By is zero where the database cannot tell, and for outside writers.
	By Actor
	// Commit is the driver's own mark of the change's transaction, for Cursor.Covers.
	Commit any
}

// Batch is the difference between two snapshots: applied to the first, Changes give the second. The changes
// of one document are in commit order; between documents the order is free.
type Batch struct {
	Changes []Change
	// Lost names scopes whose changes are not all here (TRUNCATE, a missing pre-image, expired history, too
	// many bytes): copies of them are void. Changes holds none of theirs.
	Lost    []protocol.Scope
	LostAll bool
	// Cursor is the second snapshot.
	Cursor Cursor
}

// Feed is one stream of batches. It has one reader.
type Feed interface {
	// Next blocks until there is something to tell; an empty batch moves the cursor. It fails with ctx's
	// error, and with any other error once the feed is broken for good: watch again from the last cursor.
	Next(ctx context.Context) (Batch, error)
	// Poke tells that this process has just committed, so that Next need not wait for its poll. It never
	// blocks, and any goroutine may call it.
	Poke()
	// Cursor is that of the last batch, at first the one the feed began at.
	Cursor() Cursor
	Close() error
}

// Query asks for one page of a collection, newest Updated first, then by ID ascending.
type Query struct {
	Collection string
	// After is Page.Next of the page before. Malformed: protocol.CodeInvalidCursor.
	After string
	// Limit is the most documents wanted (0: no bound).
	Limit int
	// MaxBytes cuts the page once its documents' data exceed it (0: no bound); one document always fits.
	MaxBytes  int
	NotBefore Cursor
}

// Page is part of a list. The pages of one list are separate reads.
type Page struct {
	Docs   []protocol.Document
	Next   string // for Query.After; empty at the end
	Cursor Cursor
}

// Entry is one row of the ledger: audit, approvals, tickets, agent status; kept beside the data. Key is
// unique within Kind. An expired entry (Expires in the past; zero: never) is as good as gone.
type Entry struct {
	Kind, Key   string
	Body        []byte
	At, Expires time.Time
}

// Ledger keeps entries. It has no feed.
type Ledger interface {
	// Put stores e. With ifAbsent it fails with protocol.CodeAlreadyExists when the key is taken.
	Put(ctx context.Context, e Entry, ifAbsent bool) error
	// Take removes an entry and returns it, to one caller at most; protocol.CodeNotFound for all others.
	Take(ctx context.Context, kind, key string) (Entry, error)
	// Find lists entries whose key begins with prefix and comes after after, by key, at most limit (0: none).
	Find(ctx context.Context, kind, prefix, after string, limit int) ([]Entry, error)
}
