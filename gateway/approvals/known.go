package approvals

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/secondgate/secondgate/gateway/access"
	"github.com/secondgate/secondgate/gateway/store"
	"github.com/secondgate/secondgate/protocol"
)

const (
	// knownTime is how long an approval is taken for granted. The feed tells of one that another
	// gateway has ended: see Changed. While the feed is broken, it is refused here within a second.
	knownTime = 500 * time.Millisecond
	// maxKnown bounds the scopes whose approvals are kept, maxKnownBytes the text of their files.
	maxKnown, maxKnownBytes = 10_000, 16 << 20
)

// known is the newest approval of a scope that was read. Whoever holds reading reads and sets it.
type known struct {
	reading chan struct{}
	read    time.Time
	rights
	bytes int // of the approved file; guarded by Approvals.mu
}

// rights are what is approved in a scope. They do not change.
type rights struct {
	hash string // empty: nothing is approved
	// may has the collections of each agent that has any, and what it may do there.
	may map[string]map[string]access.OperationSet
	// exists: the app has an agents.json or documents, or had a file. It is asked only where nothing is
	// approved.
	exists bool
}

// approved is the newest approval of a scope that is known. Of several who ask at once, one reads.
func (a *Approvals) approved(ctx context.Context, s protocol.Scope) (rights, *protocol.Error) {
	k := a.entry(s)
	select {
	case k.reading <- struct{}{}:
		defer func() { <-k.reading }()
	case <-ctx.Done():
		return rights{}, a.store.Failure(&protocol.Request{}, ctx.Err())
	}
	if !k.read.IsZero() && a.now().Sub(k.read) < knownTime {
		return k.rights, nil
	}
	began := a.now()
	r, bytes, refused := a.readRights(ctx, s)
	if refused != nil {
		return rights{}, refused
	}
	k.read, k.rights = began, r
	a.weigh(s, k, bytes)
	return r, nil
}

// readRights reads what is approved in a scope now, and how long the approved file is.
func (a *Approvals) readRights(ctx context.Context, s protocol.Scope) (r rights, bytes int, refused *protocol.Error) {
	if a.webApp != nil {
		return a.rightsOfWebApp(ctx, s)
	}
	state, refused := a.state(ctx, s, s.Draft)
	if refused != nil {
		return r, 0, refused
	}
	if m := state.holds(); m != nil {
		r = rights{hash: state.Approval.Hash, may: m.allRights(), exists: true}
		return r, len(state.Approval.Payload), nil
	}
	r.exists = state.rev != ""
	if !r.exists {
		r.exists, refused = a.exists(ctx, s)
	}
	return r, 0, refused
}

// rightsOfWebApp is readRights where a web app keeps the approvals.
func (a *Approvals) rightsOfWebApp(
	ctx context.Context, s protocol.Scope,
) (r rights, bytes int, refused *protocol.Error) {
	file, err := a.webApp.AgentsFile(ctx, s)
	if err != nil {
		return r, 0, a.store.Failure(&protocol.Request{}, err)
	}
	state := State{File: file.Text, Approval: &Approval{Hash: file.Hash, Payload: string(file.Payload)}}
	if m := state.holds(); m != nil {
		return rights{hash: file.Hash, may: m.allRights(), exists: true}, len(file.Payload), nil
	}
	return rights{exists: file.Exists}, 0, nil
}

func (a *Approvals) entry(s protocol.Scope) *known {
	a.mu.Lock()
	defer a.mu.Unlock()
	k := a.known[s]
	if k == nil {
		a.makeRoom(maxKnown-1, maxKnownBytes)
		k = &known{reading: make(chan struct{}, 1)}
		a.known[s] = k
	}
	return k
}

// weigh counts the text that an entry stands for, unless it was forgotten meanwhile.
func (a *Approvals) weigh(s protocol.Scope, k *known, bytes int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.known[s] != k {
		return
	}
	a.knownBytes += bytes - k.bytes
	k.bytes = bytes
	a.makeRoom(maxKnown, maxKnownBytes)
}

// makeRoom drops entries until no more are left than the bounds say. Reading one again does no harm.
// The caller holds mu.
func (a *Approvals) makeRoom(entries, bytes int) {
	for s := range a.known {
		if len(a.known) <= entries && a.knownBytes <= bytes {
			return
		}
		a.drop(s)
	}
}

func (a *Approvals) drop(s protocol.Scope) {
	if k := a.known[s]; k != nil {
		a.knownBytes -= k.bytes
		delete(a.known, s)
	}
}

// forget has both versions of an app read again. What is read meanwhile is not kept.
func (a *Approvals) forget(s protocol.Scope) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, draft := range []bool{true, false} {
		s.Draft = draft
		a.drop(s)
	}
}

// Changed forgets what a change in a reserved scope may have made wrong: one of an agents.json, of
// all in a scope whose changes are lost, or of all there are.
func (a *Approvals) Changed(r protocol.Ref) {
	switch {
	case r == (protocol.Ref{}):
		a.forgetAll()
	case r.Collection == agentsCollection || r.Collection == "":
		a.forget(r.Scope.OfSystem())
	}
}

func (a *Approvals) forgetAll() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for s := range a.known {
		a.drop(s)
	}
}

// Agent is what is approved for an agent of an app, asked for anew by each request.
func (a *Approvals) Agent(id string) access.Approved { return &agentRights{a, strings.TrimSpace(id)} }

type agentRights struct {
	approvals *Approvals
	id        string
}

// Grant implements [access.Approved].
func (r *agentRights) Grant(ctx context.Context, s protocol.Scope) (access.Grant, *protocol.Error) {
	known, refused := r.approvals.approved(ctx, s)
	if refused != nil {
		return access.Grant{}, refused
	}
	may := known.may[r.id]
	switch {
	case !known.exists:
		return access.Grant{}, ErrNoApp
	case len(may) == 0:
		return access.Grant{}, errNotApproved(s)
	}
	allows := func(u access.Use) *protocol.Error {
		switch of := may[u.Collection]; {
		case of == 0:
			return errNotApproved(s)
		case !of.Has(u.Operation):
			return errOperation(u)
		}
		return nil
	}
	return access.Grant{Hash: known.hash, Collections: slices.Sorted(maps.Keys(may)), Allows: allows}, nil
}

// errNotApproved has upstream's sentences.
func errNotApproved(s protocol.Scope) *protocol.Error {
	if s.Draft {
		return protocol.Errorf(protocol.CodeForbidden, "Draft agents.json must approve this data collection")
	}
	return protocol.Errorf(
		protocol.CodeForbidden, "Collection is not part of the published approved agents.json",
	)
}

func errOperation(u access.Use) *protocol.Error {
	return protocol.Errorf(protocol.CodeForbidden,
		"the approved agents.json does not allow this agent to %s in the collection %s: "+
			"its dataOperations leave it out",
		u.Operation, u.Collection)
}

// ErrNoApp is for an app that nobody knows.
var ErrNoApp = protocol.Errorf(
	protocol.CodeForbidden, "App was not found for approved agents.json enforcement",
)

// exists reports whether an app has an agents.json or documents, in either version.
func (a *Approvals) exists(ctx context.Context, s protocol.Scope) (bool, *protocol.Error) {
	for _, draft := range []bool{true, false} {
		state, refused := a.state(ctx, s, draft)
		if refused != nil || state.rev != "" {
			return true, refused
		}
		s.Draft = draft
		counts, refused := a.store.Collections(ctx, access.Gateway(), s, store.Read{})
		if refused != nil || len(counts) > 0 {
			return true, refused
		}
	}
	return false, nil
}
