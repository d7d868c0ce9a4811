package backends

import "github.com/secondgate/secondgate/protocol"

// Fault is a passing failure of a database: a sentence for clients, the cause for the log.
type Fault struct {
	Shown *protocol.Error
	Cause error
}

func (f *Fault) Error() string   { return f.Shown.Error() + " (" + f.Cause.Error() + ")" }
func (f *Fault) Unwrap() []error { return []error{f.Shown, f.Cause} }
