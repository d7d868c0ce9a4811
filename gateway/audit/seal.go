package audit

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/protocol"
)

const (
	// sealInterval is the time between two rounds of a sealer.
	sealInterval = 5 * time.Second
	// sealAge is how old rows are when they are sealed. A transaction commits within some seconds of the
	// time that its rows have.
	sealAge = 5 * time.Second
	// lateTime is how far back a sealer looks for rows that became visible late: by a slow transaction,
	// or by a gateway whose clock is behind. It does so every lateRounds, and before it seals what came
	// after quietTime without rows. So a row may be a minute late; it is sealed in a later block.
	lateTime   = 2 * time.Minute
	lateRounds = 12
	quietTime  = 30 * time.Second
	// searchRounds is how often a sealer looks for workspaces that it has not heard of: another gateway
	// may have ended before it sealed its rows.
	searchRounds = 720
	// mostRows bounds the rows of a block.
	mostRows = 1000
	// mostBlocks bounds the blocks that one round makes of a workspace.
	mostBlocks = 50
	// roundTime bounds a round.
	roundTime = time.Minute
)

// Sealer chains rows of a trail in blocks, some time after they were committed. No write waits for it.
// Any number of sealers may work on one database: the key of a block is unique, so one of them makes
// it, and the others go on from there. One goroutine at a time may call its methods.
type Sealer struct {
	ledger backends.Ledger
	now    func() time.Time
	// heads are the newest blocks that this sealer has made, by workspace: a block is long to read. If
	// another sealer has gone on from one, the next block cannot be stored, and the head is read.
	heads map[string]*chainHead
}

// mostHeads bounds the heads that a sealer remembers.
const mostHeads = 1000

// NewSealer makes a sealer of a ledger's rows.
func NewSealer(ledger backends.Ledger) *Sealer {
	return &Sealer{ledger: ledger, now: time.Now, heads: map[string]*chainHead{}}
}

// runSealer seals what this gateway has written, and from time to time what others have left, until
// ctx ends.
func (t *Trail) runSealer(ctx context.Context) {
	sealer := NewSealer(t.ledger)
	ticker := time.NewTicker(sealInterval)
	defer ticker.Stop()
	for round := 0; ; round++ {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		err := t.sealRound(ctx, sealer, round)
		if err != nil && ctx.Err() == nil {
			t.log.Warn("rows of the audit trail could not be sealed; it is tried again", "error", err)
		}
	}
}

func (t *Trail) sealRound(ctx context.Context, sealer *Sealer, round int) error {
	ctx, cancel := context.WithTimeout(ctx, roundTime)
	defer cancel()
	if round%searchRounds == 0 {
		all, err := workspacesOf(ctx, t.ledger)
		if err != nil {
			return err
		}
		for _, workspace := range all {
			t.noteWritten(workspace)
		}
	}
	late := round%lateRounds == 0
	for _, workspace := range t.takeWritten(late) {
		rest, err := sealer.Seal(ctx, workspace, late)
		if err != nil || rest {
			t.noteWritten(workspace)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// workspacesOf returns the workspaces that have rows.
func workspacesOf(ctx context.Context, ledger backends.Ledger) (all []string, err error) {
	for after := ""; ; {
		found, err := ledger.Find(ctx, backends.AuditKind, "", after, 1)
		if err != nil || len(found) == 0 {
			return all, err
		}
		workspace, _, _, _ := backends.ParseAuditKey(found[0].Key)
		all, after = append(all, workspace), backends.AfterWorkspace(workspace)
	}
}

// Seal makes blocks of a workspace's rows that are old enough and in none; with late, also of rows that
// became visible late. rest reports whether there are rows left.
func (s *Sealer) Seal(ctx context.Context, workspace string, late bool) (rest bool, err error) {
	if late { // from time to time: somebody may have restored the database
		delete(s.heads, workspace)
	}
	for range mostBlocks {
		head, err := s.head(ctx, workspace)
		if err != nil {
			return true, err
		}
		next, more, err := s.next(ctx, workspace, head, late)
		if err != nil || next == nil {
			return more != nothing, err
		}
		if err := s.store(ctx, next); err != nil {
			return true, err
		}
		if more != oldRows && s.heads[workspace] != nil {
			return more != nothing, nil
		}
	}
	return true, nil
}

// chainHead is the newest block of a workspace, without its rows.
type chainHead struct {
	block
	hash string
}

// store stores a block, unless another sealer was faster: then it forgets the head.
func (s *Sealer) store(ctx context.Context, b *block) error {
	e, err := b.entry(s.now())
	if err == nil {
		err = s.ledger.Put(ctx, e, true)
	}
	if err != nil {
		delete(s.heads, b.Workspace)
		if protocol.CodeOf(err) == protocol.CodeAlreadyExists {
			return nil
		}
		return err
	}
	if len(s.heads) >= mostHeads {
		clear(s.heads)
	}
	head := &chainHead{*b, sumOf(e.Body)}
	head.Rows = nil
	s.heads[b.Workspace] = head
	return nil
}

// head is nil for a workspace without blocks.
func (s *Sealer) head(ctx context.Context, workspace string) (*chainHead, error) {
	if known := s.heads[workspace]; known != nil {
		return known, nil
	}
	found, err := s.ledger.FindLast(ctx, blockKind, workspace+"/", "", 1)
	if err != nil || len(found) == 0 {
		return nil, err
	}
	b, err := readBlock(found[0])
	if err != nil {
		return nil, fmt.Errorf("block %s of the audit trail is damaged: run secondgate audit verify: %w",
			found[0].Key, err)
	}
	return &chainHead{b, sumOf(found[0].Body)}, nil
}

// remaining is what a block has left to seal.
type remaining int

const (
	nothing   remaining = iota
	youngRows           // they are sealed later
	oldRows             // there may be more than fit into the block
)

// next is the block after head, nil if there is nothing to seal, and what it leaves.
func (s *Sealer) next(
	ctx context.Context, workspace string, head *chainHead, late bool,
) (next *block, more remaining, err error) {
	next = &block{Number: 1, Workspace: workspace}
	var missed []backends.Entry
	if head != nil {
		next.Number, next.Previous = head.Number+1, head.hash
		next.PreviousExpires, next.Through = head.Expires, head.Through
		if late || s.now().Sub(head.through()) > quietTime {
			missed, err = s.late(ctx, head)
		}
	}
	if err != nil {
		return nil, oldRows, err
	}
	after := ""
	if next.Through != "" {
		after = workspace + "/" + next.Through
	}
	found, err := s.ledger.Find(ctx, backends.AuditKind, workspace+"/", after, mostRows)
	if err != nil {
		return nil, oldRows, err
	}
	rows := oldEnough(found, s.now().Add(-sealAge))
	if len(rows) > 0 {
		next.Through = shortKey(rows[len(rows)-1].Key)
	}
	switch {
	case len(rows) < len(found):
		more = youngRows
	case len(found) == mostRows || len(missed) == mostRows:
		more = oldRows
	}
	return next.with(append(missed, rows...)), more, nil
}

// oldEnough are the rows up to a time.
func oldEnough(rows []backends.Entry, until time.Time) []backends.Entry {
	for i, row := range rows {
		if row.At.After(until) {
			return rows[:i]
		}
	}
	return rows
}

// with is the block with rows, nil for none.
func (b *block) with(rows []backends.Entry) *block {
	if len(rows) == 0 {
		return nil
	}
	for _, row := range rows {
		b.Rows = append(b.Rows, seal(row))
	}
	slices.SortFunc(b.Rows, func(x, y sealed) int { return cmp.Compare(x.Key, y.Key) })
	b.Expires = b.expiry()
	return b
}

// late returns rows from before a chain's end that are in none of its newest blocks.
func (s *Sealer) late(ctx context.Context, head *chainHead) (missed []backends.Entry, err error) {
	from := head.through().Add(-lateTime)
	known, err := s.sealedSince(ctx, head.Workspace, from)
	if err != nil {
		return nil, err
	}
	after := backends.AuditKey(head.Workspace, from, "")
	for {
		found, err := s.ledger.Find(ctx, backends.AuditKind, head.Workspace+"/", after, mostRows)
		if err != nil {
			return nil, err
		}
		for _, row := range found {
			key := shortKey(row.Key)
			if key > head.Through || len(missed) == mostRows {
				return missed, nil
			}
			if after = row.Key; !known[key] {
				missed = append(missed, row)
			}
		}
		if len(found) < mostRows {
			return missed, nil
		}
	}
}

// sealedSince returns the keys of the rows from a time on that are in blocks.
func (s *Sealer) sealedSince(
	ctx context.Context, workspace string, from time.Time,
) (map[string]bool, error) {
	known := map[string]bool{}
	for before := ""; ; {
		found, err := s.ledger.FindLast(ctx, blockKind, workspace+"/", before, 10)
		if err != nil {
			return nil, err
		}
		for _, e := range found {
			b, err := readBlock(e)
			if err != nil {
				return nil, err
			}
			for _, r := range b.Rows {
				known[r.Key] = true
			}
			if before = e.Key; b.through().Before(from) {
				return known, nil
			}
		}
		if len(found) < 10 {
			return known, nil
		}
	}
}
