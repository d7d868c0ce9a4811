package access

import (
	"context"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/protocol"
)

// scripted is a mode that says what a test wants.
type scripted struct {
	next Principal // what Renew returns

	mu      sync.Mutex
	refused *protocol.Error
	asked   int
	during  func() // what happens while Allow is asked
}

// says has Allow say something.
func (m *scripted) says(refused *protocol.Error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.refused = refused
}

func (m *scripted) times() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.asked
}

func (m *scripted) Realm() string { return "scripted" }

func (m *scripted) Identify(*http.Request, protocol.Scope) (Principal, *protocol.Error) {
	return Principal{}, nil
}

func (m *scripted) Renew(
	_ context.Context, _ Principal, _ protocol.Scope, token string,
) (Principal, *protocol.Error) {
	if token == "bad" {
		return Principal{}, errExpired()
	}
	if token == "away" {
		return Principal{}, errAway()
	}
	return m.next, nil
}

func (m *scripted) Allow(_ context.Context, p Principal, _ protocol.Scope, _ Right) *protocol.Error {
	m.mu.Lock()
	m.asked++
	during, refused := m.during, m.refused
	m.during = nil
	m.mu.Unlock()
	if during != nil {
		during()
	}
	if p.expired(time.Now()) {
		return errExpired()
	}
	return refused
}

// guarded is a guard in a bubble, and why it has ended.
type guarded struct {
	*Guard
	mode  *scripted
	begun time.Time
	mu    sync.Mutex
	ended []*protocol.Error
	after time.Duration
}

func guard(p Principal) *guarded {
	g := &guarded{mode: &scripted{}, begun: time.Now()}
	g.Guard = NewGuard(g.mode, p, protocol.Scope{})
	g.Start(func(refused *protocol.Error) {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.ended, g.after = append(g.ended, refused), time.Since(g.begun)
	})
	return g
}

// reasons are those of all ends so far.
func (g *guarded) reasons() []*protocol.Error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.ended
}

// lasted is when the last end was.
func (g *guarded) lasted() time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.after
}

// wait lets time pass.
func (g *guarded) wait(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func in(d time.Duration) time.Time { return time.Now().Add(d) }

func TestGuard(t *testing.T) {
	for name, test := range map[string]func(t *testing.T){
		"ends with the credential": func(t *testing.T) {
			g := guard(Principal{Expires: in(time.Minute)})
			g.wait(2 * time.Minute)
			require.Len(t, g.reasons(), 1)
			require.Equal(t, protocol.CodeUnauthorized, g.reasons()[0].Code)
			require.Equal(t, time.Minute, g.lasted())
			require.NotNil(t, g.mode.Allow(t.Context(), g.Principal(), protocol.Scope{}, Read))
		},
		"never ends without one that does": func(t *testing.T) {
			g := guard(Principal{})
			g.wait(1000 * time.Hour)
			require.Empty(t, g.reasons())
			require.Zero(t, g.mode.times())
		},
		"is asked again and again": func(t *testing.T) {
			g := guard(Principal{Recheck: hookRecheck})
			g.wait(hookRecheck*10 + time.Second)
			require.Equal(t, 10, g.mode.times())
			g.mode.says(errOutside)
			g.wait(hookRecheck)
			require.Equal(t, []*protocol.Error{errOutside}, g.reasons())
			g.mode.says(nil)
			require.NotNil(t, g.mode.Allow(t.Context(), g.Principal(), protocol.Scope{}, Write))
			g.wait(time.Hour)
			require.Len(t, g.reasons(), 1)
		},
		"outlives an outage of seconds": func(t *testing.T) {
			g := guard(Principal{Recheck: hookRecheck})
			g.mode.says(errAway())
			g.wait(hookRecheck + time.Second)
			require.Empty(t, g.reasons())
			g.mode.says(nil)
			g.wait(time.Hour)
			require.Empty(t, g.reasons())
		},
		"does not outlive a longer one": func(t *testing.T) {
			g := guard(Principal{Recheck: hookRecheck})
			g.mode.says(errAway())
			g.wait(10 * time.Second)
			require.Len(t, g.reasons(), 1)
			require.LessOrEqual(t, g.lasted(), 10*time.Second)
		},
		"lives as long as another credential": func(t *testing.T) {
			g := guard(Principal{Expires: in(time.Minute)})
			g.mode.next = Principal{Expires: in(time.Hour)}
			_, refused := g.Renew(t.Context(), "good")
			require.Nil(t, refused)
			g.wait(59 * time.Minute)
			require.Empty(t, g.reasons())
			g.wait(2 * time.Minute)
			require.Len(t, g.reasons(), 1)
			require.Equal(t, time.Hour, g.lasted())
		},
		"ends with a credential that is not good": func(t *testing.T) {
			g := guard(Principal{Expires: in(time.Hour)})
			_, refused := g.Renew(t.Context(), "bad")
			require.Equal(t, protocol.CodeUnauthorized, refused.Code)
			require.Len(t, g.reasons(), 1)
			g.mode.next = Principal{Expires: in(time.Hour)}
			_, refused = g.Renew(t.Context(), "good")
			require.NotNil(t, refused, "it was too late")
		},
		"goes on if nobody can say whether another is good": func(t *testing.T) {
			g := guard(Principal{Expires: in(time.Hour)})
			_, refused := g.Renew(t.Context(), "away")
			require.Equal(t, protocol.CodeUnavailable, refused.Code)
			g.wait(59 * time.Minute)
			require.Empty(t, g.reasons())
		},
		"ends with a credential that has fewer rights": func(t *testing.T) {
			g := guard(Principal{Expires: in(time.Hour)})
			g.mode.says(errDraft)
			_, refused := g.Renew(t.Context(), "good")
			require.Equal(t, errDraft, refused)
			require.Equal(t, []*protocol.Error{errDraft}, g.reasons())
		},
		"is not ended by an answer about the credential before": func(t *testing.T) {
			g := guard(Principal{Expires: in(time.Minute)})
			g.mode.next = Principal{Expires: in(time.Hour)}
			g.mode.mu.Lock()
			g.mode.during = func() {
				_, refused := g.Renew(t.Context(), "good")
				require.Nil(t, refused)
			}
			g.mode.mu.Unlock()
			g.wait(30 * time.Minute)
			require.Empty(t, g.reasons())
			g.wait(31 * time.Minute)
			require.Len(t, g.reasons(), 1)
		},
		"ends once": func(t *testing.T) {
			g := guard(Principal{Expires: in(time.Minute)})
			for range 2 {
				_, refused := g.Renew(t.Context(), "bad")
				require.NotNil(t, refused)
			}
			require.Len(t, g.reasons(), 1)
		},
		"asks nothing once it is stopped": func(t *testing.T) {
			g := guard(Principal{Expires: in(time.Hour), Recheck: time.Second})
			g.Stop()
			g.wait(2 * time.Hour)
			require.Zero(t, g.mode.times())
			require.Empty(t, g.reasons())
		},
	} {
		t.Run(name, func(t *testing.T) { synctest.Test(t, test) })
	}
}
