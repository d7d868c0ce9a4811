package ws

import (
	"context"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/gateway/audit"
	"github.com/secondgate/secondgate/gateway/store"
	"github.com/secondgate/secondgate/protocol"
)

// work executes what is queued, in order, until nothing is.
func (s *Session) work() {
	for {
		tasks := s.nextTasks()
		if tasks == nil {
			return
		}
		s.execute(tasks)
		if s.executed(tasks) {
			s.sender.Wake()
		} else {
			s.sender.SendHere() // nothing else waits for the worker, so it spares a goroutine
		}
	}
}

// executed makes room for more requests. It returns whether any wait.
func (s *Session) executed(tasks []task) (more bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.executing -= len(tasks)
	for _, t := range tasks {
		s.account(-t.bytes)
	}
	s.cond.Broadcast()
	return len(s.queue) > 0
}

// nextTasks takes the next request, or the next writes if several wait, once the answers before
// them have room.
func (s *Session) nextTasks() []task {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.outBytes >= maxUnsent && !s.ended {
		s.cond.Wait()
	}
	if len(s.queue) == 0 || s.ended {
		s.working = false
		return nil
	}
	n := s.groupable()
	tasks := s.queue[:n:n]
	s.queue = s.queue[n:]
	for _, t := range tasks {
		s.queueBytes -= t.bytes
	}
	s.executing += n
	s.env.Metrics.Queued(-n)
	return tasks
}

// groupable is how many tasks at the head of the queue can be executed as one: writes, as many as
// have answers that fit.
func (s *Session) groupable() int {
	fit := maxUnsent / max(s.largest, 1)
	n := 0
	for n < len(s.queue) && n <= fit && s.queue[n].err == nil && s.queue[n].request.Writes() {
		n++
	}
	return max(n, 1)
}

func (s *Session) execute(tasks []task) {
	ctx, cancel := context.WithTimeout(s.ctx, store.RequestTime)
	defer cancel()
	r := &tasks[0].request
	room, refused := s.acquire(ctx, r)
	defer s.env.Memory.Release(room)
	s.page = room
	switch {
	case tasks[0].err != nil:
		s.refuse(r, tasks[0].err)
	case refused != nil:
		for i := range tasks {
			s.refuse(&tasks[i].request, refused)
		}
	case r.Writes():
		s.write(ctx, tasks)
	case r.Type == protocol.TypeList:
		s.list(ctx, r)
	case r.Type == protocol.TypeDoc:
		s.doc(ctx, r)
	case r.Type == protocol.TypeQuery:
		s.query(ctx, r)
	case r.Type == protocol.TypeSubscribe:
		s.subscribe(ctx, r)
	case r.Type == protocol.TypeUnsubscribe:
		s.unsubscribe(r)
	case r.Type == protocol.TypeAuthRefresh:
		s.refresh(ctx, r)
	case r.AboutAgents():
		s.agents(ctx, r)
	default:
		s.answer(&protocol.Answer{Request: r})
	}
}

// refuse answers a frame that was not understood: in the request's own answer where that can be
// addressed.
func (s *Session) refuse(r *protocol.Request, err *protocol.Error) {
	if r.RequestID != "" && r.Type == protocol.TypeAgentTrigger {
		s.refuseTrigger(r, err)
		return
	}
	if r.RequestID != "" && r.Type != "" {
		s.answer(&protocol.Answer{Request: r, Err: err})
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.env.Metrics.Failed(err)
	s.push(protocol.AppendFrameError(nil, r.RequestID, err))
}

// answer queues an answer. It encodes it outside the lock.
func (s *Session) answer(a *protocol.Answer) {
	s.env.Metrics.Failed(a.Err)
	message := a.Append(nil)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pushAnswer(message)
}

func (s *Session) pushAnswer(message []byte) {
	s.largest = max(s.largest, len(message))
	s.push(message)
}

// write executes writes in their order. A write of documents that the connection follows is settled
// once the stream has delivered its changes.
func (s *Session) write(ctx context.Context, tasks []task) {
	requests := make([]*protocol.Request, len(tasks))
	for i := range tasks {
		requests[i] = &tasks[i].request
	}
	ctx = audit.WithOrigin(ctx, &audit.Origin{Client: s.client})
	for _, w := range s.env.Store.Write(ctx, s.guard.Principal(), s.scope, requests) {
		s.env.Metrics.Failed(w.Answer.Err)
		message := w.Answer.Append(nil)
		s.mu.Lock()
		s.pushAnswer(message)
		if w.Answer.Err == nil && s.concerns(w.Outcome.Changes) {
			s.settling = append(s.settling, settlement{w.Answer.Request.RequestID, covers(w.Outcome)})
		}
		s.mu.Unlock()
	}
}

// concerns reports whether the connection follows any of the documents.
func (s *Session) concerns(changes []backends.Change) bool {
	for _, c := range changes {
		if s.sub.Follows(c.Ref.Collection, c.Ref.ID) {
			return true
		}
	}
	return false
}

// covers reports of a cursor whether the stream has delivered a write's changes there.
func covers(o backends.Outcome) func(backends.Cursor) bool {
	if o.Replayed {
		return func(c backends.Cursor) bool { return c.Reached(o.Cursor) }
	}
	last := o.Changes[len(o.Changes)-1] // all of one transaction are visible at once
	last.Doc, last.Before = nil, nil    // do not hold the documents while the change is under way
	return func(c backends.Cursor) bool { return c.Covers(last) }
}
