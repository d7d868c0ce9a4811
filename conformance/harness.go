package conformance

import (
	"context"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/protocol"
)

// T is what a rule needs of a test; *testing.T has it, and so does the binary's own small runner.
type T interface {
	Helper()
	Name() string
	Logf(format string, args ...any)
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
	FailNow()
	Failed() bool
	Cleanup(func())
	TempDir() string
	Context() context.Context
}

// Runner is a T that runs subtests; written so that *testing.T satisfies it without this package
// importing testing, which the binary must not link.
type Runner[R any] interface {
	T
	Run(name string, f func(R)) bool
}

// Harness opens one kind of backend for the rules.
type Harness interface {
	// Open returns a fresh, empty backend that no other test sees. The harness closes it at cleanup.
	Open(t T) backends.Backend
	// Reopen returns a second backend over b's data, as another process would have; b stays open.
	Reopen(t T, b backends.Backend) backends.Backend
	// Outside returns a writer to b's data that is no gateway: the database's own client.
	Outside(t T, b backends.Backend) Outside
	// Forget drops all history up to now, as retention does: cursors from before expire.
	Forget(t T, b backends.Backend)
	// Backup copies b's data as it is now. Calling restore closes b and opens the copy in its place.
	Backup(t T, b backends.Backend) (restore func() backends.Backend)
	// Oracle starts an independent record of b: the scope's documents at a cursor, by collection and id, from a record that the
	// feed has no part in. It must be asked for before the first write: the record begins with Oracle.
	Oracle(t T, b backends.Backend) Oracle
	// Exempt says why a rule does not hold for this backend ("": it holds). Exempt rules run all the same
	// and must fail.
	Exempt(rule string) (why string)
}

// Oracle is what a scope held at a cursor, by collection and id.
type Oracle func(t T, s protocol.Scope, c backends.Cursor) map[string]map[string]protocol.Document

// Outside writes as a stranger does: straight to the database, with its own client where it has one.
type Outside interface {
	// Do commits the steps in one transaction, or rolls them back. It does not return before it is done.
	Do(t T, commit bool, steps ...Step)
}

// Step is one outside write. Exactly the fields that Kind names are used.
type Step struct {
	// Kind is "insert" (Ref, Data), "update" (Ref, Data: the whole data, times untouched), "replace" (Ref,
	// Data), "move" (Ref, To: the key changes), "delete" (Ref).
	Kind string
	Ref  protocol.Ref
	To   protocol.Ref
	Data string
}
