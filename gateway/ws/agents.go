package ws

import (
	"context"
	"time"

	"github.com/secondgate/secondgate/gateway/access"
	"github.com/secondgate/secondgate/gateway/runs"
	"github.com/secondgate/secondgate/protocol"
)

// agentsFeature announces that agents can be asked for.
const agentsFeature = "agents"

// mostRuns bounds the runs whose end a session waits for.
const mostRuns = 64

var (
	errNoRunsHere = protocol.Errorf(protocol.CodeUnknownType,
		"this gateway keeps no runs of agents: welcome.features would name agents")
	errManyRuns = protocol.Errorf(protocol.CodeRateLimited,
		"a connection waits for the end of at most %d runs: wait for some", mostRuns)
	errOtherRun = protocol.Errorf(protocol.CodeRunNotFound,
		"there is no such run of an agent in this version of the app")
)

// agents serves requests about agents.
func (s *Session) agents(ctx context.Context, r *protocol.Request) {
	refused := errNoRunsHere
	if s.runs != nil {
		refused = s.env.Mode.Allow(ctx, s.guard.Principal(), s.scope, access.Read)
	}
	switch {
	case refused != nil:
		s.refuse(r, refused)
	case r.Type == protocol.TypeAgents:
		all, refused := s.runs.Agents(ctx, s.scope)
		s.answer(&protocol.Answer{Request: r, Agents: all, Err: refused})
	case r.Type == protocol.TypeAgentTrigger:
		s.trigger(ctx, r)
	default:
		s.followRun(ctx, r)
	}
}

// trigger makes a run, and starts it once the answer is on its way: no end can come before.
func (s *Session) trigger(ctx context.Context, r *protocol.Request) {
	if !s.watchRuns() {
		s.refuse(r, errManyRuns)
		return
	}
	p := s.guard.Principal()
	run, replayed, refused := s.runs.Create(ctx, p, s.scope, runs.Order{
		AgentID: r.AgentID, Prompt: r.Prompt, MutationID: r.MutationID,
	})
	if refused != nil {
		s.refuse(r, refused)
		return
	}
	s.answerRun(&protocol.Answer{Request: r, RunID: run.ID, Replayed: replayed}, run)
	if run.Status == runs.Pending && run.StartedAt == "" {
		s.runs.StartSoon(p, run)
	}
	if replayed {
		s.tellEnded(ctx, run)
	}
}

// refuseTrigger answers with a run that there is not, which has failed. The hook of today's apps that has
// triggered it, and no other one, takes it for its own.
func (s *Session) refuseTrigger(r *protocol.Request, err *protocol.Error) {
	id := protocol.NewID(time.Now())
	s.answer(&protocol.Answer{Request: r, RunID: id, Err: err})
	s.mu.Lock()
	defer s.mu.Unlock()
	s.push(protocol.AppendAgentUpdate(nil, r.AgentID, id, string(runs.Failed), err.Message))
}

// followRun has the end of a run told, at once if it has ended. A client that was cut asks for each run whose
// end it has not heard.
func (s *Session) followRun(ctx context.Context, r *protocol.Request) {
	if !s.watchRuns() {
		s.refuse(r, errManyRuns)
		return
	}
	run, refused := s.runs.Find(ctx, s.scope, r.RunID)
	if refused == nil && run.Scope != s.scope {
		refused = errOtherRun
	}
	if refused != nil {
		s.refuse(r, refused)
		return
	}
	s.answerRun(&protocol.Answer{Request: r, RunID: run.ID, Status: string(run.Status)}, run)
	s.tellEnded(ctx, run)
}

// watchRuns has the session hear of its workspace's runs. It returns false if it waits for as many as it may.
func (s *Session) watchRuns() bool {
	s.mu.Lock()
	full, watches := len(s.pending) >= mostRuns, s.watcher != nil
	s.mu.Unlock()
	if full || watches { // only the worker begins to watch
		return !full
	}
	w := s.runs.Watch(s.scope.Workspace, s.runChanged)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.watcher, s.pending = w, map[string]bool{}
	return true
}

// answerRun queues an answer, and waits for the run's end from then on.
func (s *Session) answerRun(a *protocol.Answer, run runs.Run) {
	message := a.Append(nil)
	s.mu.Lock()
	s.pushAnswer(message)
	known := s.pending[run.ID]
	s.pending[run.ID] = true
	s.mu.Unlock()
	if !known {
		s.watcher.Want(run.ID)
	}
}

// tellEnded tells the end of a run that ended before the session waited for it.
func (s *Session) tellEnded(ctx context.Context, run runs.Run) {
	if !run.Status.Ended() {
		now, refused := s.runs.Find(ctx, s.scope, run.ID)
		if refused != nil {
			return // the board will tell
		}
		run = now
	}
	s.runChanged(run)
}

// runChanged is told of every run of the workspace. It sends the end of each that the session waits for, once.
func (s *Session) runChanged(run runs.Run) {
	if !run.Status.Ended() {
		return
	}
	reason := ""
	if run.Status == runs.Failed {
		reason = run.Reason()
	}
	s.mu.Lock()
	waited := s.pending[run.ID]
	delete(s.pending, run.ID)
	if waited && s.refused == nil {
		s.push(protocol.AppendAgentUpdate(nil, run.AgentID, run.ID, string(run.Status), reason))
	}
	s.mu.Unlock()
	if waited {
		s.watcher.Unwant(run.ID)
		s.sender.Wake()
	}
}

// leaveRuns ends what watchRuns began.
func (s *Session) leaveRuns() {
	s.mu.Lock()
	w, pending := s.watcher, s.pending
	s.pending = nil
	s.mu.Unlock()
	for id := range pending {
		w.Unwant(id)
	}
	if w != nil {
		w.Leave()
	}
}
