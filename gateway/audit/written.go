package audit

import (
	"slices"
	"time"
)

// unsealed is a workspace that may have rows to seal.
type unsealed struct {
	rows bool // since it was last taken
	// late is until when rows may become visible late.
	late time.Time
}

// mostWritten bounds the workspaces that are remembered for the sealer. It finds the others by itself,
// later.
const mostWritten = 10_000

// noteWritten remembers that a workspace has rows to seal.
func (t *Trail) noteWritten(workspace string) {
	late := t.now().Add(lateTime)
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, known := t.written[workspace]; known || len(t.written) < mostWritten {
		t.written[workspace] = unsealed{rows: true, late: late}
	}
}

// takeWritten returns the workspaces with rows to seal; with late, also those where rows may have become
// visible late.
func (t *Trail) takeWritten(late bool) (all []string) {
	now := t.now()
	t.mu.Lock()
	defer t.mu.Unlock()
	for workspace, u := range t.written {
		if !u.rows && !late {
			continue
		}
		all = append(all, workspace)
		if u.rows = false; now.After(u.late) {
			delete(t.written, workspace)
		} else {
			t.written[workspace] = u
		}
	}
	slices.Sort(all)
	return all
}
