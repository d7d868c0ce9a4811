package audit

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/protocol"
)

// ledger keeps entries in memory, sorted. Nothing expires by itself.
type ledger struct {
	mu      sync.Mutex
	entries map[string]backends.Entry // by kind, NUL and key
}

func (l *ledger) Put(_ context.Context, e backends.Entry, ifAbsent bool) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	name := e.Kind + "\x00" + e.Key
	if _, taken := l.entries[name]; taken && ifAbsent {
		return protocol.Errorf(protocol.CodeAlreadyExists, "taken")
	}
	if l.entries == nil {
		l.entries = map[string]backends.Entry{}
	}
	l.entries[name] = e
	return nil
}

func (l *ledger) Take(_ context.Context, kind, key string) (backends.Entry, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e, ok := l.entries[kind+"\x00"+key]
	if !ok {
		return e, protocol.Errorf(protocol.CodeNotFound, "none")
	}
	delete(l.entries, kind+"\x00"+key)
	return e, nil
}

func (l *ledger) all(kind, prefix string, keep func(key string) bool) (found []backends.Entry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range l.entries {
		if e.Kind == kind && strings.HasPrefix(e.Key, prefix) && keep(e.Key) {
			found = append(found, e)
		}
	}
	slices.SortFunc(found, func(a, b backends.Entry) int { return strings.Compare(a.Key, b.Key) })
	return found
}

func (l *ledger) Find(_ context.Context, kind, prefix, after string, limit int) ([]backends.Entry, error) {
	found := l.all(kind, prefix, func(key string) bool { return key > after })
	return found[:min(limit, len(found))], nil
}

func (l *ledger) FindLast(
	_ context.Context, kind, prefix, before string, limit int,
) ([]backends.Entry, error) {
	found := l.all(kind, prefix, func(key string) bool { return before == "" || key < before })
	slices.Reverse(found)
	return found[:min(limit, len(found))], nil
}

// world is a trail, its sealer, and a clock of theirs.
type world struct {
	*testing.T
	ledger *ledger
	trail  *Trail
	sealer *Sealer
	now    time.Time
}

func newWorld(t *testing.T, retention time.Duration) *world {
	w := &world{T: t, ledger: &ledger{}, now: time.Now().Add(-time.Hour).Truncate(time.Millisecond)}
	w.trail = New(w.ledger, Config{LevelWrites, retention}, slog.New(slog.DiscardHandler))
	w.sealer = NewSealer(w.ledger)
	clock := func() time.Time { return w.now }
	w.trail.now, w.sealer.now = clock, clock
	return w
}

// add adds rows and lets a second pass.
func (w *world) add(n int) {
	w.Helper()
	for range n {
		require.NoError(
			w,
			w.trail.Add(w.Context(), Row{Workspace: "w", Event: "a.b", Action: "b", Summary: "B."}),
		)
	}
	w.now = w.now.Add(time.Second)
}

// seal seals all that there is, some time later.
func (w *world) seal(late bool) {
	w.Helper()
	w.now = w.now.Add(2 * sealAge)
	rest, err := w.sealer.Seal(w.Context(), "w", late)
	require.NoError(w, err)
	require.False(w, rest)
}

func (w *world) verify() Report {
	w.Helper()
	v, err := verify(w.Context(), w.ledger, "w", w.now)
	require.NoError(w, err)
	return v
}

func (w *world) rows() []backends.Entry {
	return w.ledger.all(backends.AuditKind, "w/", func(string) bool { return true })
}

func (w *world) blocks() []backends.Entry {
	return w.ledger.all(blockKind, "w/", func(string) bool { return true })
}

// TestChainHolds: rows are sealed once, in blocks of bounded size, the young ones later.
func TestChainHolds(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 0)
	w.add(mostRows*2 + 10)
	w.seal(false)
	require.Len(t, w.blocks(), 3)
	w.add(5)
	rest, err := w.sealer.Seal(t.Context(), "w", false)
	require.NoError(t, err)
	require.True(t, rest, "they are too young")
	report := w.verify()
	require.Empty(t, report.Wrong)
	require.Equal(t, []int{mostRows*2 + 10, 5, 0}, []int{report.Sealed, report.Unsealed, report.Expired})
	w.seal(true)
	report = w.verify()
	require.Empty(t, report.Wrong)
	require.Equal(t, mostRows*2+15, report.Sealed)
	require.True(t, strings.HasPrefix(report.Head, "4:"), report.Head)
	w.seal(true)
	require.Len(t, w.blocks(), 4, "there was nothing to seal")
}

// TestTamperingShows: each kind, with the row or block that it was.
func TestTamperingShows(t *testing.T) {
	t.Parallel()
	idOf := func(e backends.Entry) string { return e.Key[len(e.Key)-24:] }
	for name, tamper := range map[string]func(w *world) (says string){
		"a row is removed": func(w *world) string {
			row := w.rows()[3]
			_, err := w.ledger.Take(w.Context(), row.Kind, row.Key)
			require.NoError(w, err)
			return "row " + idOf(row)
		},
		"a row is changed": func(w *world) string {
			row := w.rows()[3]
			row.Body = bytes.Replace(row.Body, []byte(`"B."`), []byte(`"C."`), 1)
			require.NoError(w, w.ledger.Put(w.Context(), row, false))
			return "row " + idOf(row) + " of " + row.At.Format("2006")
		},
		"a row is added": func(w *world) string {
			r := Row{ID: protocol.NewID(w.now), Workspace: "w", At: w.now.Add(-10 * time.Minute), Event: "a.b"}
			require.NoError(w, w.ledger.Put(w.Context(), r.entry(), false))
			return "row " + r.ID
		},
		"a row is moved to another time": func(w *world) string {
			row := w.rows()[3]
			_, err := w.ledger.Take(w.Context(), row.Kind, row.Key)
			require.NoError(w, err)
			moved := row
			moved.At = row.At.Add(time.Millisecond)
			moved.Key = backends.AuditKey("w", moved.At, idOf(row))
			require.NoError(w, w.ledger.Put(w.Context(), moved, false))
			return "row " + idOf(row)
		},
		"a block is removed": func(w *world) string {
			b := w.blocks()[1]
			_, err := w.ledger.Take(w.Context(), b.Kind, b.Key)
			require.NoError(w, err)
			return "the blocks from 2 to 2"
		},
		"the first block and its rows are removed": func(w *world) string {
			b, err := readBlock(w.blocks()[0])
			require.NoError(w, err)
			for _, r := range b.Rows {
				_, err := w.ledger.Take(w.Context(), backends.AuditKind, "w/"+r.Key)
				require.NoError(w, err)
			}
			_, err = w.ledger.Take(w.Context(), blockKind, w.blocks()[0].Key)
			require.NoError(w, err)
			return "the blocks before block 2"
		},
		"a row is removed, and its block made to fit": func(w *world) string {
			e := w.blocks()[0]
			b, err := readBlock(e)
			require.NoError(w, err)
			_, err = w.ledger.Take(w.Context(), backends.AuditKind, "w/"+b.Rows[0].Key)
			require.NoError(w, err)
			b.Rows = b.Rows[1:]
			e, err = b.entry(e.At)
			require.NoError(w, err)
			require.NoError(w, w.ledger.Put(w.Context(), e, false))
			return "block 1 was changed"
		},
		"a block is no block": func(w *world) string {
			e := w.blocks()[1]
			e.Body = []byte("x")
			require.NoError(w, w.ledger.Put(w.Context(), e, false))
			return "block w/0000000000000002 was changed"
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, 0)
			for range 3 {
				w.add(5)
				w.seal(false)
				w.now = w.now.Add(5 * time.Minute)
			}
			require.Empty(t, w.verify().Wrong)
			says := tamper(w)
			report := w.verify()
			require.NotEmpty(t, report.Wrong)
			require.Contains(t, strings.Join(report.Wrong, "\n"), says)
		})
	}
}

// TestLateRowsAreSealedLater: a row that became visible after later ones is in a later block, and so is
// one that came before a long time without any.
func TestLateRowsAreSealedLater(t *testing.T) {
	t.Parallel()
	for _, quiet := range []bool{false, true} {
		w := newWorld(t, 0)
		w.add(3)
		late := Row{
			ID:        protocol.NewID(w.now),
			Workspace: "w",
			At:        w.now.Add(-900 * time.Millisecond),
			Event:     "a.b",
		}
		w.add(3)
		w.seal(false)
		require.NoError(t, w.ledger.Put(t.Context(), late.entry(), false))
		require.Equal(t, 1, w.verify().Unsealed)
		if quiet {
			w.now = w.now.Add(time.Hour)
			w.add(1)
		}
		w.seal(!quiet)
		report := w.verify()
		require.Empty(t, report.Wrong)
		require.Zero(t, report.Unsealed)
		require.Len(t, w.blocks(), 2)
	}
}

// TestSealersShareAWorkspace: of several at once each row is sealed once.
func TestSealersShareAWorkspace(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 0)
	w.add(3 * mostRows)
	w.now = w.now.Add(2 * sealAge)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			other := NewSealer(w.ledger)
			other.now = func() time.Time { return w.now }
			if _, err := other.Seal(t.Context(), "w", true); err != nil {
				t.Errorf("seal: %v", err)
			}
		})
	}
	all.Wait()
	report := w.verify()
	require.Empty(t, report.Wrong)
	require.Equal(t, 3*mostRows, report.Sealed)
	require.Len(t, w.blocks(), 3)
}

// TestRetentionLeavesAChain: what expires may go, rows first; anything else may not.
func TestRetentionLeavesAChain(t *testing.T) {
	t.Parallel()
	const kept = 48 * time.Hour
	w := newWorld(t, kept)
	for i := range 3 {
		if i > 0 {
			w.now = w.now.Add(kept / 2)
		}
		w.add(4)
		w.seal(false)
	}
	expire := func() {
		for name, e := range w.ledger.entries {
			if !e.Expires.IsZero() && !e.Expires.After(w.now) {
				delete(w.ledger.entries, name)
			}
		}
	}
	expire()
	report := w.verify()
	require.Empty(t, report.Wrong)
	require.Equal(t, []int{8, 4}, []int{report.Sealed, report.Expired}, "the block outlives its rows")
	w.now = w.now.Add(blockSpare)
	expire()
	require.Len(t, w.blocks(), 2)
	report = w.verify()
	require.Empty(t, report.Wrong)
	b := w.blocks()[0]
	_, err := w.ledger.Take(t.Context(), b.Kind, b.Key)
	require.NoError(t, err)
	require.Contains(t, fmt.Sprint(w.verify().Wrong), "the blocks before block 3 were removed")
}

// TestWorkspacesAreFound: a trail finds the workspaces that others have left unsealed.
func TestWorkspacesAreFound(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 0)
	w.add(3)
	w.trail.takeWritten(true) // as if it had been written by a gateway that is gone
	clear(w.trail.written)
	w.now = w.now.Add(2 * sealAge)
	require.NoError(t, w.trail.sealRound(t.Context(), w.sealer, 1))
	require.Empty(t, w.blocks())
	require.NoError(t, w.trail.sealRound(t.Context(), w.sealer, searchRounds))
	require.Len(t, w.blocks(), 1)
	all, err := Workspaces(t.Context(), w.ledger)
	require.NoError(t, err)
	require.Equal(t, []string{"w"}, all)
}
