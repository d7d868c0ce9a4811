package conformance

import (
	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/conformance/rule"
	"github.com/secondgate/secondgate/protocol"
)

// T is what a harness needs of a test. *testing.T has it, and so have the rules' own attempts.
type T = rule.T

// Harness opens one kind of backend for the rules.
type Harness interface {
	// Open returns a fresh, empty backend that no other test sees. The harness closes it at
	// cleanup.
	Open(t T) backends.Backend
	// Reopen returns a second backend over b's data, as another process would have; b stays open.
	Reopen(t T, b backends.Backend) backends.Backend
	// Outside returns a writer to b's data that is no gateway: the database's own client.
	Outside(t T, b backends.Backend) Outside
	// Forget drops all history up to now, as retention does: cursors from before expire.
	Forget(t T, b backends.Backend)
	// Backup copies b's data as it is now. Calling restore closes b and opens the copy in its
	// place.
	Backup(t T, b backends.Backend) (restore func() backends.Backend)
	// Oracle starts a record of b in which the feed has no part. The record begins here: call
	// Oracle before the first write.
	Oracle(t T, b backends.Backend) Oracle
	// Exempt says why a rule does not hold for this backend; "" where it does. Exempt rules run all
	// the same and must fail.
	Exempt(rule string) (why string)
}

// Oracle is what a scope held at a cursor, by collection and id.
type Oracle func(t T, s protocol.Scope, c backends.Cursor) map[string]map[string]protocol.Document

// Outside writes as a stranger does: straight to the database, with its own client where it has
// one.
type Outside interface {
	// Do commits the steps in one transaction, or rolls them back. It does not return before it is
	// done.
	Do(t T, commit bool, steps ...Step)
}

// Step is one outside write. Exactly the fields that Kind names are used.
type Step struct {
	// Kind is "insert" (Ref, Data), "update" (Ref, Data: the whole data, times untouched),
	// "replace" (Ref, Data), "move" (Ref, To: the key changes), "delete" (Ref).
	Kind string
	Ref  protocol.Ref
	To   protocol.Ref
	Data string
}
