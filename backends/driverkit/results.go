package driverkit

import (
	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/protocol"
)

// Results bounds the documents that one attempt of a transaction is answered with. Its zero value
// has none yet.
type Results struct{ bytes int }

// Add counts a change's document. It fails with too_large once all are over tx.MaxBytes.
func (r *Results) Add(tx *backends.Tx, c *backends.Change) error {
	if r.fits(tx, c) {
		return nil
	}
	return protocol.Errorf(protocol.CodeTooLarge,
		"the batch would be answered with over %d bytes of documents: split it", tx.MaxBytes)
}

func (r *Results) fits(tx *backends.Tx, c *backends.Change) bool {
	if c.Doc != nil {
		r.bytes += len(c.Doc.Data)
	}
	return tx.MaxBytes == 0 || r.bytes <= tx.MaxBytes
}
