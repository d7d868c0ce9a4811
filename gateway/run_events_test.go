package gateway_test

import (
	"context"
	"encoding/json"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/conformance/client"
	"github.com/secondgate/secondgate/conformance/planted"
	"github.com/secondgate/secondgate/gateway"
)

const eventsPath = "/api/workspaces/w/events"

// runEvent is an event as today's pages read it.
type runEvent struct {
	Version                                int
	Type, WorkspaceID, Scope, At           string
	AppID, RunID, SourceVersion, RunStatus string
	AgentID                                string
}

// listener is a page of somebody that listens to workspace w.
type listener struct {
	*agents
	stream *client.Stream
}

// listens opens the event stream, and reads its first comment.
func (a *agents) listens(who person) *listener {
	a.Helper()
	token := tokenFor(a.T, who.name, time.Hour, who.workspaces, who.apps)
	stream, err := client.OpenStream(a.Context(), a.url+eventsPath, "Authorization: Bearer "+token)
	require.NoError(a, err)
	a.Cleanup(stream.Cut)
	require.Equal(a, 200, stream.Status)
	require.Equal(a, "text/event-stream", stream.Header.Get("Content-Type"))
	require.Equal(a, "no-cache", stream.Header.Get("Cache-Control"))
	l := &listener{a, stream}
	require.Equal(a, "open", l.block().Comment)
	return l
}

func (l *listener) block() client.Block {
	l.Helper()
	ctx, cancel := context.WithTimeout(l.Context(), planted.Wait(time.Minute))
	defer cancel()
	b, err := l.stream.Next(ctx)
	require.NoError(l, err, "an event never came")
	return b
}

// hears reads the next event, which is of a run.
func (l *listener) hears(run, kind, status, version string) (at string) {
	l.Helper()
	b := l.block()
	for b.Comment != "" {
		b = l.block()
	}
	require.Empty(l, b.Event)
	require.Empty(l, b.ID)
	var e runEvent
	require.NoError(l, json.Unmarshal([]byte(b.Data), &e), b.Data)
	at, e.At = e.At, ""
	require.Equal(l, runEvent{
		Version: 1, Type: kind, WorkspaceID: "w", Scope: "agent-runs", AppID: "a", RunID: run, AgentID: "e1",
		SourceVersion: version, RunStatus: status,
	}, e)
	return at
}

// end reads events up to the end of a run, and returns its time. What lies before may have been left out.
func (l *listener) end(run string) time.Time {
	l.Helper()
	for {
		b := l.block()
		var e runEvent
		if b.Data == "" || json.Unmarshal([]byte(b.Data), &e) != nil || e.RunID != run ||
			e.RunStatus != "completed" {
			continue
		}
		at, err := time.Parse(time.RFC3339, e.At)
		require.NoError(l, err)
		return at
	}
}

// TestWorkspaceEvents: members hear of the runs that they may see, on every gateway.
func TestWorkspaceEvents(t *testing.T) {
	onTwo(t, func(a, b *agents) {
		a.approves()
		require.Equal(a, 200, a.person(owner, "POST", appPath+"/publish", "").Status)
		before := a.created(creator, order)
		builds, looks, member := b.listens(creator), b.listens(looksOn), b.listens(outside)
		builds.hears(before, "run.starting", "pending", "draft")

		draft := a.created(creator, order)
		builds.hears(draft, "run.created", "pending", "draft")
		public := a.created(looksOn, order)
		a.started(looksOn, public)
		for _, l := range []*listener{builds, looks} {
			l.hears(public, "run.created", "pending", "published")
		}
		require.Equal(a, public, a.claim(""))
		for _, l := range []*listener{builds, looks} {
			l.hears(public, "run.starting", "streaming", "published")
		}
		a.says(
			a.internal("agent-run-complete", `{"runId":"`+public+`","status":"completed"}`),
			200,
			`{"ok":true}`,
		)
		for _, l := range []*listener{builds, looks} {
			l.hears(public, "run.completed", "completed", "published")
		}
		for _, id := range []string{draft, before} {
			a.says(
				a.internal("agent-run-complete", `{"runId":"`+id+`","status":"failed"}`),
				200,
				`{"ok":true}`,
			)
			builds.hears(id, "run.failed", "failed", "draft")
		}
		last := a.created(looksOn, order)
		looks.hears(last, "run.created", "pending", "published") // and nothing of drafts
		member.nothing()
		a.listens(creator).hears(last, "run.starting", "pending", "published") // and nothing that has ended
	}, func(c *gateway.Config) { c.StreamHeartbeat = 500 * time.Millisecond })
}

// nothing checks that no event has come, up to a heartbeat that the gateway sends after it.
func (l *listener) nothing() {
	l.Helper()
	for range 2 { // the first may have been on its way
		require.Equal(l, "heartbeat", l.block().Comment)
	}
}

// TestWhoHearsEvents: strangers get no stream, and one ends with its token.
func TestWhoHearsEvents(t *testing.T) {
	t.Parallel()
	a := &agents{t, serve(t, harnesses()["model"].Open(t), withAgents)}
	stranger := person{"stranger", roles{"v": "owner"}, nil}
	for token, status := range map[string]int{"Bearer " + stranger.token(t, time.Hour): 404, "": 401} {
		refused, err := client.OpenStream(t.Context(), a.url+eventsPath, "Authorization: "+token)
		require.NoError(t, err)
		refused.Cut()
		require.Equal(t, status, refused.Status)
	}
	token := tokenFor(t, "creator", 1500*time.Millisecond, creator.workspaces, creator.apps)
	ends, err := client.OpenStream(t.Context(), a.url+eventsPath, "Authorization: Bearer "+token)
	require.NoError(t, err)
	defer ends.Cut()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for err == nil {
		_, err = ends.Next(ctx)
	}
	require.ErrorIs(t, err, io.EOF, "the stream outlived its token")
}

// TestRunPathsBeforeAWebApp: where the gateway keeps runs, no request about them reaches the web
// app behind it, and where the web app keeps them, all do.
func TestRunPathsBeforeAWebApp(t *testing.T) {
	t.Parallel()
	app := webApp(t)
	for name, ours := range map[string]bool{"the gateway keeps them": true, "the web app keeps them": false} {
		c := rest{t, serve(t, harnesses()["model"].Open(t), func(c *gateway.Config) {
			if c.Forward = app; !ours {
				c.Agents.Forward = app
			}
			c.Agents.Open = true
		})}
		for _, request := range []string{
			"POST " + runsPath, "GET " + runsPath, "GET " + runsPath + "/usage", "GET " + runsPath + "/x",
			"POST " + runsPath + "/x/stream?startOnly=1", "POST /api/internal/agent-run-complete",
			"DELETE " + runsPath + "/x", "DELETE " + eventsPath,
		} {
			method, path, _ := strings.Cut(request, " ")
			require.Equal(t, ours, c.do(method, path, "{}").status != 418, "%s: %s", name, request)
		}
		for _, path := range []string{"/api/workspaces/w//events", "/api/internal/agent-run-other", eventsPath + "/x"} {
			if ours {
				require.NotEqual(t, 418, c.do("DELETE", path, "").status, path)
			}
		}
	}
}
