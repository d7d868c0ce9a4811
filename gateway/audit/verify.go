package audit

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/secondgate/secondgate/backends"
)

// Report is what Verify has found in one workspace.
type Report struct {
	Workspace string
	// Sealed and Unsealed count rows that are as they were, and rows that are in no block yet. Expired
	// counts rows that a block names and that were removed in time.
	Sealed, Unsealed, Expired int
	// Head names the newest block and its hash; empty without blocks. Kept elsewhere, it shows later that
	// the end of the chain was not cut.
	Head string
	// Wrong has a sentence for each thing that is not as it was sealed.
	Wrong []string
}

// mostWrong bounds the sentences of one report.
const mostWrong = 1000

func (r *Report) wrong(format string, args ...any) {
	if len(r.Wrong) < mostWrong {
		r.Wrong = append(r.Wrong, fmt.Sprintf(format, args...))
	}
}

// Workspaces returns the workspaces that have rows or blocks.
func Workspaces(ctx context.Context, ledger backends.Ledger) ([]string, error) {
	all, err := workspacesOf(ctx, ledger)
	if err != nil {
		return nil, err
	}
	for after := ""; ; {
		found, err := ledger.Find(ctx, blockKind, "", after, 1)
		if err != nil {
			return nil, err
		}
		if len(found) == 0 {
			slices.Sort(all)
			return slices.Compact(all), nil
		}
		workspace := found[0].Key[:len(found[0].Key)-len(shortKey(found[0].Key))-1]
		all, after = append(all, workspace), backends.AfterWorkspace(workspace)
	}
}

// verification walks blocks and rows of one workspace side by side, in the order of the blocks.
type verification struct {
	ledger backends.Ledger
	report *Report
	now    time.Time
	head   *chainHead
	// damaged: the block before could not be read, so nothing is known of what follows it.
	damaged bool
	// read is the key up to which rows were read. pending are those of them that no block has named so
	// far, by their short keys: they may be in a later one.
	read    string
	pending map[string]sealed
}

// Verify compares the rows of a workspace with its chain.
func Verify(ctx context.Context, ledger backends.Ledger, workspace string) (Report, error) {
	return verify(ctx, ledger, workspace, time.Now())
}

func verify(ctx context.Context, ledger backends.Ledger, workspace string, now time.Time) (Report, error) {
	report := Report{Workspace: workspace}
	v := &verification{ledger: ledger, report: &report, now: now, pending: map[string]sealed{}}
	for after := ""; ; {
		found, err := ledger.Find(ctx, blockKind, workspace+"/", after, 10)
		if err != nil {
			return report, err
		}
		for _, e := range found {
			if err := v.block(ctx, e); err != nil {
				return report, err
			}
			after = e.Key
		}
		if len(found) < 10 {
			break
		}
	}
	err := v.rest(ctx)
	return report, err
}

// block checks that a block follows the one before, and its rows.
func (v *verification) block(ctx context.Context, e backends.Entry) error {
	b, err := readBlock(e)
	if err != nil {
		v.report.wrong("block %s was changed: %v", e.Key, err)
		v.damaged = true
		return nil
	}
	if !v.damaged {
		v.link(&b)
	}
	v.damaged = false
	v.head = &chainHead{b, sumOf(e.Body)}
	v.report.Head = fmt.Sprintf("%d:%s", b.Number, v.head.hash)
	if err := v.readThrough(ctx, b.Workspace, b.Through); err != nil {
		return err
	}
	for _, r := range b.Rows {
		v.row(&b, r)
	}
	return nil
}

// link checks a block's place in the chain. Blocks at its beginning may have expired.
func (v *verification) link(b *block) {
	switch {
	case v.head == nil && b.Number == 1 && b.Previous == "":
	case v.head == nil && over(b.PreviousExpires, v.now):
	case v.head == nil:
		v.report.wrong("the blocks before block %d were removed", b.Number)
	case b.Number != v.head.Number+1:
		v.report.wrong("the blocks from %d to %d were removed", v.head.Number+1, b.Number-1)
	case b.Previous != v.head.hash:
		v.report.wrong("block %d was changed: block %d names another hash of it", v.head.Number, b.Number)
	case b.Through < v.head.Through || b.PreviousExpires != v.head.Expires:
		v.report.wrong("block %d does not follow block %d", b.Number, v.head.Number)
	}
}

// readThrough reads the rows up to a key.
func (v *verification) readThrough(ctx context.Context, workspace, through string) error {
	for {
		found, err := v.ledger.Find(ctx, backends.AuditKind, workspace+"/", v.read, mostRows)
		if err != nil {
			return err
		}
		for _, row := range found {
			key := shortKey(row.Key)
			if key > through {
				return nil
			}
			v.read = row.Key
			v.pending[key] = seal(row)
		}
		if len(found) < mostRows {
			return nil
		}
	}
}

// row compares a row with what a block says.
func (v *verification) row(b *block, want sealed) {
	got, there := v.pending[want.Key]
	delete(v.pending, want.Key)
	switch {
	case !there && over(want.Expires, v.now):
		v.report.Expired++
	case !there:
		v.report.wrong("row %s was removed: block %d has it", describe(b.Workspace, want.Key), b.Number)
	case got.Hash != want.Hash:
		v.report.wrong("row %s was changed: block %d has another hash of it",
			describe(b.Workspace, want.Key), b.Number)
	default:
		v.report.Sealed++
	}
}

// describe names a row by its id and time.
func describe(workspace, key string) string {
	_, at, id, _ := backends.ParseAuditKey(workspace + "/" + key)
	return fmt.Sprintf("%s of %s", id, at.Format("2006-01-02T15:04:05.000Z"))
}

// rest looks at the rows that no block names. Those that a sealer would still seal are no fault.
func (v *verification) rest(ctx context.Context) error {
	var sealable time.Time // rows from before must be in a block
	if v.head != nil {
		sealable = v.head.through().Add(-lateTime)
	}
	for _, key := range slices.Sorted(maps.Keys(v.pending)) {
		_, at, _, _ := backends.ParseAuditKey(v.report.Workspace + "/" + key)
		if !at.Before(sealable) {
			v.report.Unsealed++
		} else {
			v.report.wrong("row %s was added: no block has it", describe(v.report.Workspace, key))
		}
	}
	for {
		found, err := v.ledger.Find(ctx, backends.AuditKind, v.report.Workspace+"/", v.read, mostRows)
		if err != nil {
			return err
		}
		v.report.Unsealed += len(found)
		if len(found) < mostRows {
			return nil
		}
		v.read = found[len(found)-1].Key
	}
}
