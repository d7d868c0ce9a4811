package access

import (
	"context"
	"sync"
	"time"

	"github.com/secondgate/secondgate/protocol"
)

const (
	// answerTime is how long an answer of a web app holds.
	answerTime = 5 * time.Second
	// maxAnswers bounds the answers that are kept.
	maxAnswers = 10_000
)

// answers keep what a web app has said. Of several who ask for the same at once, one asks.
type answers struct {
	mu    sync.Mutex
	known map[answerKey]*answer
}

// answerKey is a fingerprint of a credential, and where it is used.
type answerKey struct {
	credential [32]byte
	scope      protocol.Scope
}

// answer is one that was given, or is under way until given is closed.
type answer struct {
	given     chan struct{}
	principal Principal
	refused   *protocol.Error
	until     time.Time // of an answer that was given
}

// get returns an answer that holds, or has ask get one.
func (a *answers) get(
	ctx context.Context, key answerKey, ask func() (Principal, *protocol.Error),
) (Principal, *protocol.Error) {
	a.mu.Lock()
	one := a.known[key]
	if one == nil || one.isOver() {
		one = &answer{given: make(chan struct{})}
		a.keep(key, one)
		go a.fill(key, one, ask)
	}
	a.mu.Unlock()
	select {
	case <-one.given:
		return one.principal, one.refused
	case <-ctx.Done():
		return Principal{}, errAway()
	}
}

// isOver: the answer was given, and holds no more. The caller holds mu.
func (o *answer) isOver() bool { return !o.until.IsZero() && time.Now().After(o.until) }

// keep makes room first. The caller holds mu.
func (a *answers) keep(key answerKey, one *answer) {
	if a.known == nil {
		a.known = map[answerKey]*answer{}
	}
	if len(a.known) >= maxAnswers {
		for k, old := range a.known {
			if old.isOver() {
				delete(a.known, k)
			}
		}
	}
	for k := range a.known { // those that hold: asking again does no harm
		if len(a.known) < maxAnswers {
			break
		}
		delete(a.known, k)
	}
	a.known[key] = one
}

// fill asks. That nobody could be asked is not kept: the next one asks again.
func (a *answers) fill(key answerKey, one *answer, ask func() (Principal, *protocol.Error)) {
	p, refused := ask()
	a.mu.Lock()
	defer a.mu.Unlock()
	one.principal, one.refused, one.until = p, refused, time.Now().Add(answerTime)
	if refused != nil && refused.Code.Info().Retryable && a.known[key] == one {
		delete(a.known, key)
	}
	close(one.given)
}
