package approvals

import (
	"context"
	"sync"
	"time"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/gateway/access"
	"github.com/secondgate/secondgate/gateway/store"
	"github.com/secondgate/secondgate/protocol"
)

// The collections of an app's reserved scope.
const (
	agentsCollection  = "agents"    // draft and published: a State each
	historyCollection = "approvals" // an Event each
)

// tries is how often a change is tried again after somebody else's.
const tries = 20

// Approvals of all apps of a database. Any goroutine may call its methods.
type Approvals struct {
	store  *store.Store
	webApp backends.WebApp // nil: they are kept here
	now    func() time.Time

	// What was read lately, guarded by mu.
	mu         sync.Mutex
	known      map[protocol.Scope]*known
	knownBytes int
}

// New reads and writes through a store.
func New(s *store.Store) *Approvals {
	return &Approvals{store: s, now: time.Now, known: map[protocol.Scope]*known{}}
}

// OfWebApp are the approvals that a web app keeps in the same database. They can be asked for and
// not changed.
func OfWebApp(s *store.Store, w backends.WebApp) *Approvals {
	a := New(s)
	a.webApp = w
	return a
}

// app is both versions of an app's agents.json.
type app struct{ draft, published stored }

// Show returns the state of both versions.
func (a *Approvals) Show(
	ctx context.Context,
	s protocol.Scope,
) (draft, published State, refused *protocol.Error) {
	both, refused := a.read(ctx, s)
	return both.draft.State, both.published.State, refused
}

func (a *Approvals) read(ctx context.Context, s protocol.Scope) (both app, refused *protocol.Error) {
	if both.draft, refused = a.state(ctx, s, true); refused != nil {
		return both, refused
	}
	both.published, refused = a.state(ctx, s, false)
	return both, refused
}

// state reads one version, as it is in the database now.
func (a *Approvals) state(ctx context.Context, s protocol.Scope, draft bool) (stored, *protocol.Error) {
	r := protocol.Request{Type: protocol.TypeDoc, Collection: agentsCollection, DocID: versionOf(draft)}
	answer, _ := a.store.Doc(ctx, access.Gateway(), systemScope(s), &r, store.Read{})
	if answer.Err != nil {
		return stored{}, answer.Err
	}
	state, err := decodeState(answer.Doc)
	if err != nil {
		return state, a.store.Failure(&r, err)
	}
	return state, nil
}

func systemScope(s protocol.Scope) protocol.Scope { return protocol.SystemScope(s.Workspace, s.App) }

func versionOf(draft bool) string { return protocol.Scope{Draft: draft}.Version() }

// change reads both versions, has edit change them, and writes what has changed with a line of the
// history, all or nothing; again if somebody else was faster.
func (a *Approvals) change(
	ctx context.Context,
	p access.Principal,
	s protocol.Scope,
	edit func(both *app) (events []Event, refused *protocol.Error),
) *protocol.Error {
	for range tries {
		both, refused := a.read(ctx, s)
		if refused != nil {
			return refused
		}
		was := both
		events, refused := edit(&both)
		if refused != nil {
			return refused
		}
		refused = a.write(ctx, p, s, was, both, events)
		a.forget(s)
		if refused == nil ||
			refused.Code != protocol.CodeConflict && refused.Code != protocol.CodeAlreadyExists {
			return refused
		}
	}
	return protocol.Errorf(
		protocol.CodeUnavailable,
		"agents.json is being changed by others: try again in a moment",
	)
}

func (a *Approvals) write(
	ctx context.Context, p access.Principal, s protocol.Scope, was, is app, events []Event,
) *protocol.Error {
	batch := protocol.Request{Type: protocol.TypeBatch}
	add := func(r protocol.Request, data any) *protocol.Error {
		text, err := canonical(data)
		if err != nil {
			return a.store.Failure(&r, err)
		}
		r.Data = text
		batch.Operations = append(batch.Operations, r)
		return nil
	}
	for _, v := range []struct {
		was, is stored
		draft   bool
	}{{was.draft, is.draft, true}, {was.published, is.published, false}} {
		if v.was.File == v.is.File && v.was.Approval == v.is.Approval {
			continue
		}
		r := protocol.Request{
			Type: protocol.TypeInsert, Collection: agentsCollection, DocID: versionOf(v.draft), IfRev: v.was.rev,
		}
		if v.was.rev != "" {
			r.Type = protocol.TypeUpdate
		}
		if refused := add(r, v.is.State); refused != nil {
			return refused
		}
	}
	for _, e := range events {
		e.ByUserID, e.ByUserName, e.At = p.Actor.ID, p.Name, timestamp(a.now())
		r := protocol.Request{Type: protocol.TypeInsert, Collection: historyCollection}
		if refused := add(r, e); refused != nil {
			return refused
		}
	}
	if len(batch.Operations) == 0 {
		return nil
	}
	return a.store.WriteReserved(ctx, p, s, &batch, rowsOf(s, events)).Err
}

// by is an approval of a manifest by p, now. m is nil where it is approved that there is no file.
func (a *Approvals) by(p access.Principal, m *Manifest, source string) *Approval {
	made := &Approval{ByUserID: p.Actor.ID, ByUserName: p.Name, At: timestamp(a.now()), Source: source}
	if m != nil {
		made.Hash, made.Payload = m.Hash(), m.Payload()
	}
	return made
}

// Save replaces the draft's file. The draft's approval ends if it is of another hash; going back to the
// old text does not bring it back.
func (a *Approvals) Save(
	ctx context.Context,
	p access.Principal,
	s protocol.Scope,
	m *Manifest,
) *protocol.Error {
	text, hash := m.Pretty(), m.Hash()
	return a.change(ctx, p, s, func(both *app) ([]Event, *protocol.Error) {
		d := &both.draft
		d.File = &text
		events := []Event{{Event: "saved", Version: "draft", Hash: hash}}
		if d.Approval != nil && d.Approval.Hash != hash {
			events = append(
				events,
				Event{Event: "stale", Version: "draft", Hash: d.Approval.Hash, after: hash},
			)
			d.Approval = nil
		}
		return events, nil
	})
}

// Approve approves m for the draft, or the draft's file if m is nil. It returns the hash, empty if there
// is no file: then the approval ends.
func (a *Approvals) Approve(
	ctx context.Context, p access.Principal, s protocol.Scope, m *Manifest,
) (hash string, refused *protocol.Error) {
	source := SourceBuildChatMock
	if p.Manages(s) {
		source = SourceBuildChat
	}
	refused = a.change(ctx, p, s, func(both *app) ([]Event, *protocol.Error) {
		approved, refused := m, (*protocol.Error)(nil)
		if approved == nil {
			if approved, refused = both.draft.manifest(); refused != nil {
				return nil, refused
			}
		}
		hash = ""
		both.draft.Approval = nil
		if approved != nil {
			hash = approved.Hash()
			both.draft.Approval = a.by(p, approved, source)
		}
		return []Event{{Event: "approved", Version: "draft", Hash: hash, Source: source}}, nil
	})
	return hash, refused
}

// manifest is the file's, nil if there is none.
func (s *stored) manifest() (*Manifest, *protocol.Error) {
	if s.File == nil {
		return nil, nil
	}
	m, err := ParseManifest(*s.File)
	if err == ErrMissing {
		return nil, nil
	}
	if err != nil {
		return nil, protocol.Errorf(protocol.CodeInvalidDocument, "%s", err)
	}
	return m, nil
}

// Publish approves the draft's file, and makes the draft's file and approval the published ones.
func (a *Approvals) Publish(
	ctx context.Context, p access.Principal, s protocol.Scope,
) (hash string, refused *protocol.Error) {
	refused = a.change(ctx, p, s, func(both *app) ([]Event, *protocol.Error) {
		m, refused := both.draft.manifest()
		if refused != nil {
			return nil, refused
		}
		hash = ""
		both.draft.Approval = nil
		if m != nil {
			hash = m.Hash()
			both.draft.Approval = a.by(p, m, SourcePublish)
		}
		both.published.State = both.draft.State
		return []Event{{Event: "published", Version: "published", Hash: hash, Source: SourcePublish}}, nil
	})
	return hash, refused
}

// Revoke ends the approval of a version.
func (a *Approvals) Revoke(ctx context.Context, p access.Principal, s protocol.Scope) *protocol.Error {
	return a.change(ctx, p, s, func(both *app) ([]Event, *protocol.Error) {
		state := &both.published
		if s.Draft {
			state = &both.draft
		}
		if state.Approval == nil {
			return nil, nil
		}
		event := Event{Event: "revoked", Version: s.Version(), Hash: state.Approval.Hash}
		state.Approval = nil
		return []Event{event}, nil
	})
}
