package agents

import (
	"context"
	"encoding/json"
	"net/http"
	"sync"
	"time"

	"github.com/secondgate/secondgate/gateway/access"
	"github.com/secondgate/secondgate/gateway/door"
	"github.com/secondgate/secondgate/gateway/metrics"
	"github.com/secondgate/secondgate/gateway/runs"
	"github.com/secondgate/secondgate/protocol"
)

// event is what happened in a workspace, as its pages are told.
type event struct {
	Version     int         `json:"version"`
	Type        string      `json:"type"`
	WorkspaceID string      `json:"workspaceId"`
	Scope       string      `json:"scope"`
	At          string      `json:"at"`
	AppID       string      `json:"appId"`
	RunID       string      `json:"runId"`
	AgentID     string      `json:"agentId"`
	Source      string      `json:"sourceVersion"`
	RunStatus   runs.Status `json:"runStatus"`
}

// eventTypes are the types of events by the status that a run has reached.
var eventTypes = map[runs.Status]string{
	runs.Pending: "run.created", runs.Streaming: "run.starting", runs.Completed: "run.completed",
	runs.Failed: "run.failed",
}

func eventOf(run runs.Run, kind string) event {
	return event{
		Version: 1, Type: kind, WorkspaceID: run.Scope.Workspace, Scope: "agent-runs",
		At: string(protocol.AppendTime(nil, time.Now())), AppID: run.App, RunID: run.ID, AgentID: run.AgentID,
		Source: run.Version, RunStatus: run.Status,
	}
}

// events is GET /api/workspaces/{workspace}/events. Members of the workspace get the events of the apps that
// they have access to. EventSource never tries again after a status other than 200, so only what is wrong
// for good has one.
func (d *Door) events(w http.ResponseWriter, r *http.Request) {
	p, workspace, refused := d.member(r)
	if refused != nil && !refused.Code.Info().Retryable {
		d.Env.Refuse(w, refused)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-cache")
	h.Set("X-Accel-Buffering", "no")
	h.Set("X-Content-Type-Options", "nosniff")
	var place *door.Place
	if refused == nil {
		place, refused = d.Env.Quotas.Enter(r, p)
	}
	if refused != nil {
		d.Env.Metrics.Failed(refused)
		_, _ = w.Write([]byte("retry: 5000\n\n")) // whoever has gone does not miss it
		return
	}
	defer place.Leave()
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	s := &eventStream{
		door: d, principal: p, cancel: cancel, body: d.Env.ResponseBody(ctx, w), sent: map[string]runs.Status{},
		wake: make(chan struct{}, 1),
	}
	if !d.Env.Registry.Admit(metrics.Stream, s) {
		return
	}
	defer d.Env.Registry.Dismiss(metrics.Stream, s)
	s.watcher = d.Runs.Watch(workspace, s.add)
	defer s.watcher.Leave()
	s.serve(ctx)
}

// member names somebody who belongs to a workspace.
func (d *Door) member(r *http.Request) (access.Principal, string, *protocol.Error) {
	workspace, malformed := door.WorkspaceOf(r)
	p, refused := d.Env.Mode.Identify(r, protocol.Scope{Workspace: workspace})
	switch {
	case refused != nil:
		return p, workspace, refused
	case malformed != nil:
		return p, workspace, malformed
	case p.Roles != nil && p.Roles.Workspaces[workspace] == "":
		return p, workspace, protocol.Errorf(protocol.CodeAppNotFound,
			"there is no such workspace, or you have no access to it")
	}
	return p, workspace, nil
}

// mostEvents bounds the events that wait for a page. One that takes them more slowly connects again, and gets
// what is going on then.
const mostEvents = 1000

// eventStream is one page that listens.
type eventStream struct {
	door      *Door
	principal access.Principal
	watcher   *runs.Watcher
	body      *door.Body
	cancel    context.CancelFunc
	sent      map[string]runs.Status // of runs that go on; serve owns it
	wake      chan struct{}

	mu      sync.Mutex
	waiting []runs.Run
	tooSlow bool
}

// GoAway and Cut implement [door.Connection].
func (s *eventStream) GoAway() { s.cancel() }

// Cut ends the stream at once.
func (s *eventStream) Cut() {
	s.cancel()
	s.body.Cut()
}

// add has a run told. It never blocks.
func (s *eventStream) add(run runs.Run) {
	s.mu.Lock()
	if len(s.waiting) < mostEvents {
		s.waiting = append(s.waiting, run)
	} else {
		s.tooSlow = true
	}
	s.mu.Unlock()
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

func (s *eventStream) take() (waiting []runs.Run, tooSlow bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	waiting, s.waiting = s.waiting, nil
	return waiting, s.tooSlow
}

// serve writes events until the page goes, takes them too slowly, or may not see them any more.
func (s *eventStream) serve(ctx context.Context) {
	if s.write([]byte(": open\n\n")) != nil || !s.watcher.Ready(ctx) {
		return
	}
	for _, run := range s.watcher.Active() {
		if s.tell(ctx, run, "run.starting") != nil {
			return
		}
	}
	beat := time.NewTicker(s.door.Env.StreamHeartbeat)
	defer beat.Stop()
	expired := make(<-chan time.Time)
	if !s.principal.Expires.IsZero() {
		end := time.NewTimer(time.Until(s.principal.Expires))
		defer end.Stop()
		expired = end.C
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-expired:
			return
		case <-beat.C:
			if s.write([]byte(": heartbeat\n\n")) != nil {
				return
			}
		case <-s.wake:
		}
		waiting, tooSlow := s.take()
		for _, run := range waiting {
			if s.tell(ctx, run, eventTypes[run.Status]) != nil {
				return
			}
		}
		if tooSlow {
			return
		}
	}
}

// tell writes an event, unless the page knows already or may not see the run.
func (s *eventStream) tell(ctx context.Context, run runs.Run, kind string) error {
	if s.sent[run.ID] == run.Status {
		return nil
	}
	if s.sent[run.ID] = run.Status; run.Status.Ended() {
		delete(s.sent, run.ID)
	}
	if refused := s.door.Env.Mode.Allow(ctx, s.principal, run.Scope, access.Read); refused != nil {
		if refused.Code.Info().Retryable { // nobody can say for the moment: the page comes back
			return refused
		}
		return nil
	}
	text, err := json.Marshal(eventOf(run, kind))
	if err != nil {
		return err
	}
	return s.write(append(append([]byte("data: "), text...), "\n\n"...))
}

func (s *eventStream) write(text []byte) error {
	if err := s.body.Write(text); err != nil {
		return err
	}
	return s.body.Flush()
}
