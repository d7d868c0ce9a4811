package backends

import (
	"context"
	"errors"
	"time"

	"github.com/secondgate/secondgate/protocol"
)

var (
	// ErrCursor means that a cursor is foreign, from the future, or older than the history that is
	// kept.
	ErrCursor = errors.New("the cursor cannot be resumed")
	// ErrTooBig means that the answer would exceed the caller's bound.
	ErrTooBig = errors.New("more than the byte bound")
)

// MaxScopeBatch is the largest size of one scope's documents in a Batch of a feed, in bytes. A
// scope that exceeds it is Lost: for its clients, to list again costs less than the changes would.
const MaxScopeBatch = 4 << 20

// MaxBatch is the largest size of all documents in a Batch of a feed, in bytes. Scopes that exceed
// it are Lost.
const MaxBatch = 64 << 20

// MaxDocument is the largest data of a document that a gateway ever stores, in bytes. The bound of
// a Write may be lower.
const MaxDocument = 16 << 20

// Backend is one open database. Many goroutines may call its methods at once. Each method returns
// within its context's time. A failure that a client caused is a *protocol.Error. A failure of the
// database that may pass has protocol.CodeUnavailable or CodeTimeout. Any other error is a defect,
// which clients see as internal.
//
// Every method reads and writes committed data only. A read that begins after Write has returned
// sees that write. Otherwise a read without notBefore may answer from any snapshot, also from one
// that is older than the feed's cursor. A caller that must not go back passes notBefore. The read
// fails with ErrCursor if notBefore is a cursor of another database.
//
// A document that another program wrote and that the JSON rules refuse is withheld. Reads and feeds
// treat it as absent. Its id stays taken, so no write replaces the other program's row unseen.
type Backend interface {
	// Get reads one document from a snapshot that has Reached notBefore (nil: any). It returns nil
	// without an error for a document that does not exist or is withheld.
	Get(ctx context.Context, r protocol.Ref, notBefore Cursor) (*protocol.Document, Cursor, error)

	// List reads one page of a collection from one snapshot.
	List(ctx context.Context, s protocol.Scope, q Query) (Page, error)

	// Collections counts the documents of each collection that has any, in a snapshot that has
	// Reached notBefore (nil: any). Withheld documents may count.
	Collections(ctx context.Context, s protocol.Scope, notBefore Cursor) (map[string]int, error)

	// Usage is how much a scope holds. It reads all of the scope.
	Usage(ctx context.Context, s protocol.Scope) (Usage, error)

	// Write carries out the transactions, each all or nothing, and returns an outcome for each at
	// its index. It returns when all are durable and visible to later reads. Transactions of one
	// call take effect in their order, those of different calls in any order. If ctx ends first,
	// Outcome.Err is its error and it is unknown what happened; with Tx.Mutation the caller can
	// safely repeat the call.
	Write(ctx context.Context, txs []Tx) []Outcome

	// Since returns one scope's Batch from a cursor to a snapshot taken after the call began. It
	// fails with ErrCursor, and with ErrTooBig if the documents exceed maxBytes (0: no bound).
	Since(ctx context.Context, s protocol.Scope, from Cursor, maxBytes int) (Batch, error)

	// Gone returns the scope's documents that changed after a cursor (nil: in all history that is
	// kept) and that do not exist in the snapshot that it returns. It fails with ErrCursor, and
	// with ErrTooBig if there are more than max.
	Gone(ctx context.Context, s protocol.Scope, from Cursor, max int) ([]protocol.Ref, Cursor, error)

	// Watch opens a feed of all scopes from a cursor (nil: now). It fails with ErrCursor.
	Watch(ctx context.Context, from Cursor) (Feed, error)

	// Cursor parses what Cursor.Append wrote, in this process or in another one of the same
	// database. It fails with ErrCursor if the cursor is foreign, from the future or expired.
	Cursor(ctx context.Context, raw []byte) (Cursor, error)

	Ledger

	// Close ends all calls and waits for them. The owners of feeds must close them before.
	Close() error
}

// Usage is how much a scope holds: documents, withheld ones included, and the bytes of their data as the
// database has it.
type Usage struct {
	Documents int
	Bytes     int64
}

// Cursor is one committed snapshot of a database. Snapshots of one database are nested: of any two,
// one contains the other. A cursor is immutable.
type Cursor interface {
	// Reached reports whether everything that is visible in other is visible here.
	Reached(other Cursor) bool
	// Covers reports whether a change is visible here. The change must come from the same backend.
	Covers(Change) bool
	// Append appends the cursor's bytes for Backend.Cursor, at most 1 KiB: a byte that names the
	// backend, 8 bytes that name the database, and the position.
	Append([]byte) []byte
}

// Op is what happened to a document.
type Op uint8

// The operations. Only a request can be an Upsert; its change is an Insert or an Update.
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
	// Run names what the change belongs to together with others, such as the run of an agent;
	// empty: it stands alone. It has no colon.
	Run string
}

// Change is the new state of one document. Insert and Update mean "is now this", Delete means "is
// gone". Between two snapshots, states that a later one replaced may be left out.
type Change struct {
	Ref protocol.Ref
	Op  Op
	// Doc is nil for a Delete.
	Doc *protocol.Document
	// Before is the document that the write found (nil: none). Only the Outcome of a write has it.
	Before *protocol.Document
	// By is zero for outside writers, and if the database does not know.
	By Actor
	// Merged: the change stands for several of its document and is the last of them. A client may
	// have read a state in between.
	Merged bool
	// Commit is the driver's mark of the change's transaction, for Cursor.Covers.
	Commit any
}

// Batch is the difference between two snapshots: Changes turn the first into the second. The
// changes of one document are in commit order. Between documents the order is free.
type Batch struct {
	Changes []Change
	// Lost names scopes whose changes are not complete, because of TRUNCATE, a missing pre-image,
	// expired history or too many bytes. Copies of these scopes are void. Changes has none of their
	// changes.
	Lost []protocol.Scope
	// LostAll means that all scopes are lost.
	LostAll bool
	// Cursor is the second snapshot.
	Cursor Cursor
}

// Feed is one stream of batches. One goroutine at a time may call Next.
type Feed interface {
	// Next blocks until there is a batch. A batch without changes moves the cursor. Next fails with
	// ctx's error. After any other error the feed is broken: the caller watches again from the last
	// cursor.
	Next(ctx context.Context) (Batch, error)
	// Poke says that this process has just committed, so Next need not wait for its next poll. It
	// never blocks. Any goroutine may call it.
	Poke()
	// Cursor is the cursor of the last batch. Before the first batch it is the one at which the
	// feed began.
	Cursor() Cursor
	// Close ends Next and releases the feed.
	Close() error
}

// Query asks for one page of a collection, newest Updated first, then by ID ascending.
type Query struct {
	Collection string
	// After is Page.Next of the page before. List fails with protocol.CodeInvalidCursor if it is
	// malformed.
	After string
	// Limit is the most documents wanted (0: no bound).
	Limit int
	// MaxBytes bounds the data of the page's documents (0: no bound). A page has one document at
	// least.
	MaxBytes int
	// NotBefore bounds the snapshot: see Backend.
	NotBefore Cursor
	// Only, if not nil, is what the caller looks for: the list may lack any other document. It must
	// not lack one that Only matches. A driver leaves out what its database can tell without
	// reading it.
	Only *protocol.Filter
}

// Page is part of a list. The pages of one list are separate reads.
type Page struct {
	Docs   []protocol.Document
	Next   string // for Query.After; empty at the end of the list
	Cursor Cursor
}

// Entry is one row of the ledger: audit (see [AuditKind]), approvals, tickets, revocations, agent
// status. Key is unique within Kind. An entry whose Expires has passed counts as removed; zero
// means that it never expires.
type Entry struct {
	Kind, Key   string
	Body        []byte
	At, Expires time.Time
}

// Ledger keeps entries beside the documents. It has no feed.
type Ledger interface {
	// Put stores e. With ifAbsent it fails with protocol.CodeAlreadyExists if the key is taken.
	Put(ctx context.Context, e Entry, ifAbsent bool) error
	// Take removes an entry and returns it. One caller at most gets it; it fails with
	// protocol.CodeNotFound for all others.
	Take(ctx context.Context, kind, key string) (Entry, error)
	// Find returns the entries whose key begins with prefix and is greater than after, in the order
	// of their keys. It returns at most limit entries (0: none).
	Find(ctx context.Context, kind, prefix, after string, limit int) ([]Entry, error)
	// FindLast returns the entries whose key begins with prefix and is less than before (empty: no
	// bound), greatest key first. It returns at most limit entries (0: none).
	FindLast(ctx context.Context, kind, prefix, before string, limit int) ([]Entry, error)
}
