package gateway_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/backends/sqlite/sqlitetest"
	"github.com/secondgate/secondgate/conformance/client"
	"github.com/secondgate/secondgate/conformance/planted"
	"github.com/secondgate/secondgate/gateway"
	"github.com/secondgate/secondgate/gateway/limits"
	"github.com/secondgate/secondgate/protocol"
)

// canary is a run in which every byte that a connection carries is looked at.
type canary struct {
	*testing.T
	ctx     context.Context
	url     string
	backend backends.Backend
	scopes  []protocol.Scope

	mu      sync.Mutex
	cursors map[protocol.Scope]string // some cursor of each scope

	changes, marks, connections, resumes, foreignCursors, refreshes, narrowed, revoked, outsiders atomic.Int64
}

// canaryChanges is how many changes a run has: SECONDGATE_CANARY says, ci/canary.sh sets it.
func canaryChanges(t *testing.T) int {
	t.Helper()
	text := os.Getenv("SECONDGATE_CANARY")
	if text == "" {
		return 4000
	}
	n, err := strconv.Atoi(text)
	require.NoError(t, err)
	return n
}

// TestCanary: 200 scopes with ids that look alike, and clients that come, go, resume by cursors, also those
// of other scopes, and whose rights change. No byte of one scope is on a connection of another.
func TestCanary(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip(
			"the normal pass runs it: it looks at bytes, and on SQLite the race detector makes it 16 times slower",
		)
	}
	changes := canaryChanges(t)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute+time.Duration(changes)*10*time.Millisecond)
	defer cancel()
	b := (&sqlitetest.Harness{}).Open(t)
	c := &canary{
		T: t, ctx: ctx, backend: b, scopes: canaryScopes(200), cursors: map[protocol.Scope]string{},
		url: serve(t, b, byToken, func(c *gateway.Config) { c.RequestRate = limits.Rate{} }),
	}
	c.run(changes)
	c.allInPlace()
	t.Logf("%d scopes, %d changes, %d connections, %d resumed by a cursor, %d by one of another scope, "+
		"%d refreshed, %d refreshed to other rights, %d revoked, %d outsiders; %d canaries looked at",
		len(c.scopes), c.changes.Load(), c.connections.Load(), c.resumes.Load(), c.foreignCursors.Load(),
		c.refreshes.Load(), c.narrowed.Load(), c.revoked.Load(), c.outsiders.Load(), c.marks.Load())
	for name, n := range map[string]*atomic.Int64{
		"marks": &c.marks, "resumes": &c.resumes, "foreign cursors": &c.foreignCursors, "refreshes": &c.refreshes,
		"narrowed": &c.narrowed, "revoked": &c.revoked, "outsiders": &c.outsiders,
	} {
		require.Positive(t, n.Load(), name)
	}
}

const (
	canaryWriters, canaryFollowers = 8, 16
	// leastRounds is how often each follower comes at least: often enough for each kind of visit.
	leastRounds = canaryVisits
)

// run writes in all scopes, while others follow them.
func (c *canary) run(changes int) {
	var writers, followers sync.WaitGroup
	var written atomic.Bool
	for i := range canaryWriters {
		writers.Go(func() { c.write(i, changes/canaryWriters) })
	}
	for i := range canaryFollowers {
		followers.Go(func() {
			random := rand.New(rand.NewPCG(uint64(i), 1))
			for round := 0; (round < leastRounds || !written.Load()) && !c.over(); round++ {
				c.visit(random, i+round)
			}
		})
	}
	writers.Wait()
	written.Store(true)
	followers.Wait()
	require.NoError(c, c.ctx.Err(), "the run took too long")
}

// over ends the run early: what was wrong once is wrong.
func (c *canary) over() bool { return c.ctx.Err() != nil || c.Failed() }

// look wants all canaries in what a connection of a scope has carried to be the scope's own. The zero scope
// has none.
func (c *canary) look(s protocol.Scope, where string, text []byte) {
	own := markOf(s)
	for _, m := range anyMark.FindAll(text, -1) {
		c.marks.Add(1)
		if s == (protocol.Scope{}) || string(m) != own {
			c.Errorf("a canary of another scope on %s of %s: %.300s", where, s, text)
			return
		}
	}
}

// tokenFor is a token of a user who may do everything in a scope, and nothing elsewhere.
func (c *canary) tokenFor(user string, s protocol.Scope, holds time.Duration) string {
	return tokenFor(c, user, holds, roles{s.Workspace: "member"}, roles{s.App: "creator"})
}

// allInPlace reads every scope at the end.
func (c *canary) allInPlace() {
	for _, s := range c.scopes {
		a, err := client.Do(c.ctx, "GET", client.DataURL(c.url, s, ""), "",
			"Authorization: Bearer "+c.tokenFor("reader", s, time.Hour))
		require.NoError(c, err)
		require.Equal(c, 200, a.Status, a.Body)
		c.look(s, "a list", []byte(a.Body))
		require.Contains(c, a.Body, markOf(s), "each scope has documents")
	}
}

// canaryBugs are leaks.
func canaryBugs() (all []planted.Bug) {
	for i, bug := range []planted.Bug{
		{
			File: "hub/deliver.go", Old: "e := entries[c.Ref.Scope]",
			New: "for s := range h.scopes {\n\t\t\tc.Ref.Scope = s\n\t\t}\n\t\te := entries[c.Ref.Scope]",
		},
		{
			File: "store/follow.go", Old: "s.backend.Since(ctx, sub.Scope(), from, maxCatchUp)",
			New: "s.backend.Since(ctx, protocol.Scope{Workspace: sub.Scope().Workspace, App: \"a\"}, from, maxCatchUp)",
		},
		{
			File: "store/read.go", Old: "page, err := s.backend.List(ctx, scope,",
			New: "page, err := s.backend.List(ctx, protocol.Scope{Workspace: scope.Workspace, App: scope.App},",
		},
	} {
		bug.Name, bug.Test, bug.Says = fmt.Sprint("leak ", i+1), "^TestCanary$", "a canary of another scope"
		all = append(all, bug)
	}
	return all
}
