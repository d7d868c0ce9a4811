package approvals

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/gateway/access"
	"github.com/secondgate/secondgate/protocol"
)

// Requests are large calls of agents that wait for a person, and those that a person has allowed. Any
// goroutine may call its methods.
type Requests struct {
	ledger backends.Ledger
	now    func() time.Time
}

// NewRequests keeps them in a ledger.
func NewRequests(l backends.Ledger) *Requests { return &Requests{ledger: l, now: time.Now} }

// The kinds of the ledger's entries.
const (
	requestedKind = "agent-request"
	allowedKind   = "agent-allowed"
)

const (
	// requestTime is how long a call waits for a person, allowedTime how long it may then be made.
	requestTime, allowedTime = 24 * time.Hour, time.Hour
	// mostRequests bounds what one app has waiting.
	mostRequests = 200
)

// Request is a call that waits.
type Request struct {
	ID        string `json:"id"`
	Agent     string `json:"agent"`
	Says      string `json:"says"` // what the call would do
	Documents int    `json:"documents"`
	At        string `json:"at"`
	// Digest is of the very call.
	Digest string `json:"digest"`
}

func requestKey(s protocol.Scope, id string) string { return s.String() + "/" + id }

// Ask has a call wait, and returns the id that it is made under once it is allowed.
func (q *Requests) Ask(ctx context.Context, s protocol.Scope, r Request) (id string, err error) {
	waiting, err := q.ledger.Find(ctx, requestedKind, requestKey(s, ""), "", mostRequests)
	if err != nil {
		return "", err
	}
	if e := same(waiting, r); e != nil { // an agent that asks again is told the same
		return strings.TrimPrefix(e.Key, requestKey(s, "")), nil
	}
	if len(waiting) == mostRequests {
		return "", protocol.Errorf(protocol.CodeRateLimited,
			"%d calls of agents of this app wait for a person already: have some allowed first", mostRequests)
	}
	now := q.now()
	r.ID, r.At = protocol.NewID(now), timestamp(now)
	body, err := json.Marshal(r)
	if err != nil {
		return "", err
	}
	return r.ID, q.ledger.Put(ctx, backends.Entry{
		Kind: requestedKind, Key: requestKey(s, r.ID), Body: body, At: now, Expires: now.Add(requestTime),
	}, true)
}

// same is the entry of the very call that r is; nil if there is none.
func same(waiting []backends.Entry, r Request) *backends.Entry {
	for i := range waiting {
		var one Request
		if json.Unmarshal(waiting[i].Body, &one) == nil && one.Digest == r.Digest && one.Agent == r.Agent {
			return &waiting[i]
		}
	}
	return nil
}

// Answer has the agent's own client say what its person decided. It reports whether this very call was
// waiting: an answer to another question, or to none, allows nothing.
func (q *Requests) Answer(ctx context.Context, s protocol.Scope, r Request, allow bool) (waited bool, err error) {
	waiting, err := q.ledger.Find(ctx, requestedKind, requestKey(s, ""), "", mostRequests)
	if err != nil {
		return false, err
	}
	e := same(waiting, r)
	if e == nil {
		return false, nil
	}
	_, err = q.ledger.Take(ctx, requestedKind, e.Key)
	if errors.Is(err, &protocol.Error{Code: protocol.CodeNotFound}) {
		return false, nil
	}
	return err == nil, err
}

// Waiting are the calls that wait in a scope, oldest first.
func (q *Requests) Waiting(ctx context.Context, s protocol.Scope) ([]Request, error) {
	entries, err := q.ledger.Find(ctx, requestedKind, requestKey(s, ""), "", mostRequests)
	all := []Request{}
	for _, e := range entries {
		var r Request
		if err := json.Unmarshal(e.Body, &r); err != nil {
			return nil, err
		}
		all = append(all, r)
	}
	return all, err
}

var errNoRequest = protocol.Errorf(protocol.CodeNotFound, "no call of an agent waits under this id")

// Decide allows a call, once, or refuses it.
func (q *Requests) Decide(ctx context.Context, p access.Principal, s protocol.Scope, id string, allow bool) error {
	if !protocol.ServerMade(id) {
		return errNoRequest
	}
	e, err := q.ledger.Take(ctx, requestedKind, requestKey(s, id))
	if errors.Is(err, &protocol.Error{Code: protocol.CodeNotFound}) {
		return errNoRequest
	}
	if err != nil || !allow {
		return err
	}
	now := q.now()
	return q.ledger.Put(ctx, backends.Entry{
		Kind: allowedKind, Key: e.Key, Body: e.Body, At: now, Expires: now.Add(allowedTime),
	}, false)
}

// Use uses up that a call was allowed. It reports whether it was: this very call, of this agent.
func (q *Requests) Use(ctx context.Context, s protocol.Scope, r Request) (allowed bool, err error) {
	if !protocol.ServerMade(r.ID) { // nothing was asked under it
		return false, nil
	}
	found, err := q.ledger.Find(ctx, allowedKind, requestKey(s, r.ID), "", 1)
	if err != nil || len(found) == 0 || found[0].Key != requestKey(s, r.ID) {
		return false, err
	}
	var was Request
	if json.Unmarshal(found[0].Body, &was) != nil || was.Digest != r.Digest || was.Agent != r.Agent {
		return false, nil
	}
	_, err = q.ledger.Take(ctx, allowedKind, found[0].Key)
	if errors.Is(err, &protocol.Error{Code: protocol.CodeNotFound}) {
		return false, nil
	}
	return err == nil, err
}
