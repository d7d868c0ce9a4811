package store

import (
	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/protocol"
)

// reservation is the room of one scope that transactions under way may take.
type reservation struct {
	usages *usages
	usage  *usage
	most   []backends.Usage // of each transaction, what it takes at most
	taken  []backends.Usage // of each transaction, what it has been given
}

// pathGrowth is how much longer than its text a path may be once it is nested: a.b is {"a":{"b":…}}.
const pathGrowth = 4

// mostOf is what a transaction may add at most. What it frees is not known before it is carried out.
func mostOf(tx *backends.Tx) (most backends.Usage) {
	for i := range tx.Writes {
		w := &tx.Writes[i]
		switch w.Op {
		case backends.Delete:
			continue
		case backends.Insert, backends.Upsert:
			most.Documents++
		}
		most.Bytes += int64(len(w.Data))
		if w.Paths { // a dot may become a nested object
			most.Bytes += pathGrowth * int64(len(w.Data))
		}
		if w.Filter != nil {
			most.Bytes += int64(len(w.Filter.Object()))
		}
	}
	return most
}

// take gives a transaction what it may take, or marks it: there is no room for what needs some. The caller
// holds usages.mu.
func (r *reservation) take(tx *backends.Tx, most backends.Usage) {
	documents, bytes := r.usages.lacks(r.usage, most)
	if documents {
		tx.FullDocuments = protocol.Errorf(protocol.CodeQuotaExceeded,
			"the app may have %d documents, which is its limit: delete some", r.usages.quota.Documents)
		most.Documents = 0
	}
	if bytes {
		tx.FullBytes = protocol.Errorf(protocol.CodeQuotaExceeded,
			"the app may have %d bytes of documents, which is its limit: delete some, or make some shorter",
			r.usages.quota.Bytes)
		most.Bytes = 0
	}
	r.taken = append(r.taken, most)
	r.usage.pending = plus(r.usage.pending, most)
}

// settle counts what the transactions have done, and gives the rest back. One of which nobody knows whether
// it was carried out counts as if it had taken all.
func (r *reservation) settle(out []backends.Outcome) {
	r.usages.mu.Lock()
	defer r.usages.mu.Unlock()
	r.usage.busy--
	for i := range r.taken {
		r.usage.pending = minus(r.usage.pending, r.taken[i])
		added := did(&out[i], r.taken[i])
		r.usage.held = plus(r.usage.held, added)
		r.usage.grown = plus(r.usage.grown,
			backends.Usage{Documents: max(added.Documents, 0), Bytes: max(added.Bytes, 0)})
	}
}

// release gives everything back: nothing was carried out.
func (r *reservation) release() {
	r.usages.mu.Lock()
	defer r.usages.mu.Unlock()
	r.usage.busy--
}

// did is what a transaction has added.
func did(o *backends.Outcome, most backends.Usage) (added backends.Usage) {
	switch {
	case o.Replayed:
		return added
	case o.Err != nil:
		if protocol.CodeOf(o.Err).Info().HTTP < 500 {
			return added
		}
		return most
	}
	for _, c := range o.Changes {
		if c.Doc != nil {
			added = plus(added, backends.Usage{Documents: 1, Bytes: int64(len(c.Doc.Data))})
		}
		if c.Before != nil {
			added = minus(added, backends.Usage{Documents: 1, Bytes: int64(len(c.Before.Data))})
		}
	}
	return added
}
