package postgres

import (
	"context"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/protocol"
)

// single is one transaction of one write, which a lane may carry out together with others.
type single struct {
	tx     *backends.Tx
	change backends.Change
	memory *backends.Memory // nil without a mutation
	out    *backends.Outcome
	done   bool
}

// run is the inserts, or the upserts, of one call that follow each other. It is carried out as a whole by one lane, so that
// they take effect in their order.
type run struct {
	ctx      context.Context
	singles  []*single
	err      error         // of the connection: what has no outcome may or may not have happened
	finished chan struct{} // closed when all is said
}

// newInserts leaves out what is refused without asking the database.
func newInserts(ctx context.Context, txs []backends.Tx, outs []backends.Outcome) *run {
	r := &run{ctx: ctx, finished: make(chan struct{})}
	for i := range txs {
		s := &single{tx: &txs[i], out: &outs[i]}
		if err := s.apply(nil); err != nil {
			outs[i].Err = &backends.WriteError{Err: err}
			continue
		}
		r.singles = append(r.singles, s)
	}
	return r
}

func newUpserts(ctx context.Context, txs []backends.Tx, outs []backends.Outcome) *run {
	r := &run{ctx: ctx, finished: make(chan struct{})}
	for i := range txs {
		r.singles = append(r.singles, &single{tx: &txs[i], out: &outs[i]})
	}
	return r
}

func (s *single) write() *backends.Write { return &s.tx.Writes[0] }

// apply decides what the write does to the document that is there.
func (s *single) apply(found *protocol.Document) (err error) {
	if s.change, err = s.write().Apply(s.tx, found); err != nil {
		return err
	}
	if s.tx.Mutation != "" {
		s.memory = backends.Remember(s.tx)
		s.memory.Result = backends.ResultOf([]backends.Change{s.change})
	}
	return nil
}
