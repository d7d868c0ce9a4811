package gateway

import (
	"context"

	"github.com/secondgate/secondgate/backends"
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
		if s.executed(len(tasks)) {
			s.drainHere()
		}
	}
}

// executed makes room for more requests and sees to it that the answers are sent: true if the worker is to do that
// itself, because nothing else waits for it, which spares a goroutine per request.
func (s *Session) executed(n int) (drain bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.executing -= n
	s.cond.Broadcast()
	if s.again = true; s.draining || s.ended {
		return false
	}
	s.draining = true
	if len(s.queue) == 0 {
		return true
	}
	s.tasks.Go(s.drain)
	return false
}

// nextTasks takes the next request, or the next writes if several wait, once the answers before them have room.
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
	n := s.run1()
	tasks := s.queue[:n:n]
	s.queue = s.queue[n:]
	for _, t := range tasks {
		s.queueBytes -= t.bytes
	}
	s.executing += n
	s.gateway.config.Metrics.queued(-n)
	return tasks
}

// run1 is how many tasks at the head of the queue can be executed as one: writes, as many as have answers that fit.
func (s *Session) run1() int {
	fit := maxUnsent / max(s.largest, 1)
	n := 0
	for n < len(s.queue) && n <= fit && s.queue[n].err == nil && s.queue[n].request.Writes() {
		n++
	}
	return max(n, 1)
}

func (s *Session) execute(tasks []task) {
	ctx, cancel := context.WithTimeout(s.ctx, requestTime)
	defer cancel()
	r := &tasks[0].request
	switch {
	case tasks[0].err != nil:
		s.refuse(r, tasks[0].err)
	case r.Writes():
		s.write(ctx, tasks)
	case r.Type == protocol.TypeList:
		s.list(ctx, r)
	case r.Type == protocol.TypeDoc:
		s.doc(ctx, r)
	case r.Type == protocol.TypeSubscribe:
		s.subscribe(ctx, r)
	case r.Type == protocol.TypeUnsubscribe:
		s.unsubscribe(r)
	default:
		s.answer(&protocol.Answer{Request: r})
	}
}

// refuse answers a frame that was not understood: in the request's own answer where it can be told.
func (s *Session) refuse(r *protocol.Request, err *protocol.Error) {
	if r.RequestID != "" && r.Type != "" {
		s.answer(&protocol.Answer{Request: r, Err: err})
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gateway.config.Metrics.failed(err)
	s.push(protocol.AppendFrameError(nil, r.RequestID, err))
}

// answer queues an answer. It is encoded outside the lock.
func (s *Session) answer(a *protocol.Answer) {
	s.gateway.config.Metrics.failed(a.Err)
	message := a.Append(nil)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pushAnswer(message)
}

func (s *Session) pushAnswer(message []byte) {
	s.largest = max(s.largest, len(message))
	s.push(message)
}

// write executes writes in their order. Those of documents that the connection follows are settled once the
// stream has told their changes.
func (s *Session) write(ctx context.Context, tasks []task) {
	requests := make([]*protocol.Request, len(tasks))
	for i := range tasks {
		requests[i] = &tasks[i].request
	}
	for _, w := range s.gateway.store.Write(ctx, s.principal, s.scope, requests) {
		s.gateway.config.Metrics.failed(w.Answer.Err)
		message := w.Answer.Append(nil)
		s.mu.Lock()
		s.pushAnswer(message)
		if w.Answer.Err == nil && s.concerns(w.Outcome.Changes) {
			s.settling = append(s.settling, settlement{w.Answer.Request.RequestID, covers(w.Outcome)})
		}
		s.mu.Unlock()
	}
}

func (s *Session) concerns(changes []backends.Change) bool {
	for _, c := range changes {
		if s.sub.follow.follows(c.Ref.Collection, c.Ref.ID) {
			return true
		}
	}
	return false
}

// covers tells at which cursors a write's changes have been told.
func covers(o backends.Outcome) func(backends.Cursor) bool {
	if o.Replayed {
		return func(c backends.Cursor) bool { return c.Reached(o.Cursor) }
	}
	last := o.Changes[len(o.Changes)-1] // all of one transaction are visible at once
	last.Doc, last.Before = nil, nil    // do not hold the documents while the change is under way
	return func(c backends.Cursor) bool { return c.Covers(last) }
}
