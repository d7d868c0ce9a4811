package store

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/protocol"
)

// counting is a database that says how much a scope holds, and a clock.
type counting struct {
	*usages
	t     *testing.T
	says  backends.Usage
	fails error
	asked int
	at    time.Time
}

func newCounting(t *testing.T, q Quota) *counting {
	c := &counting{t: t, at: time.Unix(1, 0)}
	c.usages = &usages{quota: q, known: map[protocol.Scope]*usage{}, now: func() time.Time { return c.at }}
	c.count = func(context.Context, protocol.Scope) (backends.Usage, error) {
		c.asked++
		return c.says, c.fails
	}
	return c
}

var scope = protocol.Scope{Workspace: "w", App: "a"}

// insert makes n documents in one transaction, and reports whether there was room. The database carries it
// out at once, unless it is held.
func (c *counting) insert(n int, during ...func()) (room bool) {
	c.t.Helper()
	tx := backends.Tx{Writes: make([]backends.Write, n)}
	for i := range tx.Writes {
		tx.Writes[i] = backends.Write{Op: backends.Insert, Data: []byte(`{}`)}
	}
	txs := []backends.Tx{tx}
	r, err := c.reserve(c.t.Context(), scope, txs)
	require.NoError(c.t, err)
	for _, f := range during {
		f()
	}
	if txs[0].FullDocuments != nil {
		r.settle([]backends.Outcome{{Err: txs[0].FullDocuments}})
		return false
	}
	o := backends.Outcome{Changes: make([]backends.Change, n)}
	for i := range o.Changes {
		o.Changes[i].Doc = &protocol.Document{Data: []byte(`{}`)}
	}
	c.says.Documents += n
	r.settle([]backends.Outcome{o})
	return true
}

// TestQuotaIsCountedSeldom: once, then after usageTime, and each fullTime while there is no room; never more
// than a twentieth of the time.
func TestQuotaIsCountedSeldom(t *testing.T) {
	t.Parallel()
	c := newCounting(t, Quota{Documents: 100})
	for range 50 {
		require.True(t, c.insert(1))
	}
	require.Equal(t, 1, c.asked)
	c.at = c.at.Add(usageTime)
	require.True(t, c.insert(1))
	require.Equal(t, 2, c.asked)
	c.says.Documents = 100 // another gateway has filled it
	require.True(t, c.insert(1), "nobody has looked")
	c.at = c.at.Add(usageTime)
	require.False(t, c.insert(1))
	require.Equal(t, 3, c.asked)
	require.False(t, c.insert(1))
	require.Equal(t, 3, c.asked, "it was counted just now")
	c.says.Documents = 0 // another gateway has emptied it
	c.at = c.at.Add(fullTime)
	require.True(t, c.insert(100))
	require.Equal(t, 4, c.asked)
	c.at = c.at.Add(fullTime)
	slow := c.count
	c.count = func(ctx context.Context, s protocol.Scope) (backends.Usage, error) {
		c.at = c.at.Add(10 * time.Second)
		return slow(ctx, s)
	}
	require.False(t, c.insert(1))
	c.at = c.at.Add(rest*10*time.Second - 11*time.Second)
	require.False(t, c.insert(1))
	require.Equal(t, 5, c.asked, "a slow count is made seldom")
	c.at = c.at.Add(time.Second)
	require.False(t, c.insert(1))
	require.Equal(t, 6, c.asked)
}

// TestQuotaHoldsWhatIsUnderWay: what is being written has its room already, and a count meanwhile does not
// give it to others.
func TestQuotaHoldsWhatIsUnderWay(t *testing.T) {
	t.Parallel()
	c := newCounting(t, Quota{Documents: 10})
	require.True(t, c.insert(6, func() {
		require.False(t, c.insert(5))
		c.at = c.at.Add(fullTime)
		require.False(t, c.insert(5), "counted, and still under way")
		require.True(t, c.insert(4))
	}))
	require.False(t, c.insert(1))
	require.Equal(t, 10, c.says.Documents)
}

// TestQuotaThatCannotBeCounted refuses where nothing is known; what is known counts on.
func TestQuotaThatCannotBeCounted(t *testing.T) {
	t.Parallel()
	c := newCounting(t, Quota{Documents: 10})
	c.fails = errors.New("away")
	_, err := c.reserve(t.Context(), scope, []backends.Tx{{}})
	require.ErrorIs(t, err, c.fails)
	c.fails = nil
	require.True(t, c.insert(9))
	c.fails, c.at = errors.New("away"), c.at.Add(usageTime)
	require.True(t, c.insert(1))
	require.False(t, c.insert(1))
}

// TestQuotaOfWhatNobodyKnows: a write whose outcome is not known has taken its room until the next count,
// one that was refused has not, and a replay takes none.
func TestQuotaOfWhatNobodyKnows(t *testing.T) {
	t.Parallel()
	for _, o := range []struct {
		outcome backends.Outcome
		room    bool
	}{
		{backends.Outcome{Err: context.DeadlineExceeded}, false},
		{backends.Outcome{Err: protocol.Errorf(protocol.CodeUnavailable, "away")}, false},
		{backends.Outcome{Err: protocol.Errorf(protocol.CodeAlreadyExists, "taken")}, true},
		{backends.Outcome{Replayed: true, Changes: []backends.Change{{Doc: &protocol.Document{}}}}, true},
	} {
		c := newCounting(t, Quota{Documents: 1})
		txs := []backends.Tx{{Writes: []backends.Write{{Op: backends.Insert}}}}
		r, err := c.reserve(t.Context(), scope, txs)
		require.NoError(t, err)
		require.NoError(t, txs[0].FullDocuments)
		r.settle([]backends.Outcome{o.outcome})
		require.Equal(t, o.room, c.insert(1), "%+v", o.outcome)
		c.at = c.at.Add(fullTime)
		require.Equal(t, !o.room, c.insert(1), "the next count knows")
	}
}

// TestQuotasAreBounded: however many scopes are written to, few are remembered, and those in use all.
func TestQuotasAreBounded(t *testing.T) {
	t.Parallel()
	c := newCounting(t, Quota{Documents: 10})
	held := c.hold(scope)
	for i := range 3 * mostUsages {
		r, err := c.reserve(t.Context(), protocol.Scope{Workspace: "w", App: fmt.Sprint(i)}, nil)
		require.NoError(t, err)
		r.settle(nil)
	}
	require.LessOrEqual(t, len(c.known), mostUsages)
	require.Same(t, held, c.hold(scope))
}
