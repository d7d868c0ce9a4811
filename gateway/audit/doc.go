// Package audit keeps the audit trail: a row for each write, in the form of the web apps that show
// such rows, and a chain of blocks by which a row that was changed, removed or added shows.
//
// A row of a write takes this path: store → [Trail.Entries] → backends.Tx.Entries → the driver
// commits it with the write. Packages that have other things to tell call [Trail.Add]. Rows of refused
// writes go through a queue of a Trail, since there is no transaction to go with.
//
// [Trail.List] reads rows. [Sealer] chains them, some seconds after they were committed, and [Verify]
// checks the chain.
package audit
