// Package protocol names what travels: scopes, documents, requests, messages, cursors and errors.
//
// It knows no database, no socket and no clock. Bytes from outside come in through [DecodeRequest]
// and [Canonical]; everything that goes out is appended by the Append methods. docs/protocol.md is
// the specification; testdata holds the vectors that this package and the TypeScript client both
// replay.
package protocol
