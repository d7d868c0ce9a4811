package access

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/protocol"
)

const (
	// revokedKind is the kind of revocations in the ledger.
	revokedKind = "revoked"
	// revokedInterval is how often revocations are read, revokedAgain how soon after that failed.
	revokedInterval, revokedAgain = 4 * time.Second, time.Second
	// revokedTime is how long reading them may take, once the gateway serves.
	revokedTime = 3 * time.Second
	// revokedRecheck is how often a connection that lasts is held to them. With revokedInterval and
	// revokedTime before, a revocation ends it within 10 s.
	revokedRecheck = 3 * time.Second
	// revokedHold is how long they count. After that nobody knows what was revoked, and nobody gets in.
	revokedHold = 10 * time.Second
	// revokedPage is how many are read at once.
	revokedPage = 10_000
)

// Revocations is the mode JWT without the tokens that were revoked. All connections share what it reads.
type Revocations struct {
	*JWT
	ledger backends.Ledger
	log    *slog.Logger
	known  atomic.Pointer[revoked]
}

var _ Mode = (*Revocations)(nil)

// revoked is what the ledger had when reading began.
type revoked struct {
	asOf time.Time
	when map[string]time.Time // of each revocation, by its key
}

// ReadRevocations fails if the revocations cannot be read. Run reads them again.
func ReadRevocations(
	ctx context.Context, tokens *JWT, ledger backends.Ledger, log *slog.Logger,
) (*Revocations, error) {
	r := &Revocations{JWT: tokens, ledger: ledger, log: log}
	if err := r.read(ctx, ledgerTime); err != nil {
		return nil, fmt.Errorf("the revoked tokens cannot be read: %w", err)
	}
	return r, nil
}

// Run reads the revocations again and again, until ctx ends.
func (r *Revocations) Run(ctx context.Context) {
	timer := time.NewTimer(revokedInterval)
	defer timer.Stop()
	for failed := false; ; {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		err := r.read(ctx, revokedTime)
		switch {
		case err == nil:
			timer.Reset(revokedInterval)
		case ctx.Err() == nil:
			timer.Reset(revokedAgain)
			if !failed {
				r.log.Warn("revoked tokens cannot be read; soon no token is taken any more", "error", err)
			}
		}
		failed = err != nil
	}
}

// read takes one Find, unless there are very many.
func (r *Revocations) read(ctx context.Context, max time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, max)
	defer cancel()
	all := &revoked{asOf: r.now(), when: map[string]time.Time{}}
	for after := ""; ; {
		page, err := r.ledger.Find(ctx, revokedKind, "", after, revokedPage)
		if err != nil {
			return err
		}
		for _, e := range page {
			all.when[e.Key], after = e.At, e.Key
		}
		if len(page) < revokedPage {
			r.known.Store(all)
			return nil
		}
	}
}

// Identify implements [Mode].
func (r *Revocations) Identify(q *http.Request, s protocol.Scope) (Principal, *protocol.Error) {
	p, refused := r.JWT.Identify(q, s)
	if refused == nil {
		refused = r.check(p)
	}
	p.Recheck = revokedRecheck
	return p, refused
}

// Renew implements [Mode].
func (r *Revocations) Renew(
	ctx context.Context, p Principal, s protocol.Scope, token string,
) (Principal, *protocol.Error) {
	renewed, refused := r.JWT.Renew(ctx, p, s, token)
	renewed.Recheck = revokedRecheck
	return renewed, refused
}

// Allow implements [Mode].
func (r *Revocations) Allow(ctx context.Context, p Principal, s protocol.Scope, right Right) *protocol.Error {
	if refused := r.check(p); refused != nil {
		return refused
	}
	return r.JWT.Allow(ctx, p, s, right)
}

// check refuses a principal whose token was revoked. A token that does not say when it was issued may be one
// from before.
func (r *Revocations) check(p Principal) *protocol.Error {
	known := r.known.Load()
	if known == nil || r.now().Sub(known.asOf) > revokedHold {
		return errRevokedUnknown
	}
	if len(known.when) == 0 {
		return nil
	}
	if when, ok := known.when[revokedUser(p.ID)]; ok && !p.issued.After(when) {
		return errRevoked
	}
	if _, ok := known.when[revokedToken(p.tokenID)]; ok && p.tokenID != "" {
		return errRevoked
	}
	return nil
}

var errRevoked = protocol.Errorf(protocol.CodeUnauthorized,
	"the token was revoked: sign in again and send a new one")

// errRevokedUnknown has no patience of a Guard: revokedHold was that.
var errRevokedUnknown = protocol.Errorf(protocol.CodeUnavailable,
	"which tokens were revoked cannot be read for the moment: try again")

// RevokeUser has the gateways of a database refuse the user's tokens that were issued until now. hold is how
// long the longest of them may still be good.
func RevokeUser(ctx context.Context, ledger backends.Ledger, user string, hold time.Duration) error {
	return revoke(ctx, ledger, revokedUser(user), user, hold)
}

// RevokeToken has the gateways of a database refuse the tokens with an id (jti).
func RevokeToken(ctx context.Context, ledger backends.Ledger, id string, hold time.Duration) error {
	return revoke(ctx, ledger, revokedToken(id), id, hold)
}

// revoke never shortens a revocation from before.
func revoke(ctx context.Context, ledger backends.Ledger, key, what string, hold time.Duration) error {
	now := time.Now().UTC()
	e := backends.Entry{Kind: revokedKind, Key: key, Body: []byte(what), At: now, Expires: now.Add(hold)}
	before, err := ledger.Find(ctx, revokedKind, key, "", 1)
	if err != nil {
		return err
	}
	for _, b := range before {
		if b.Expires.After(e.Expires) {
			e.Expires = b.Expires
		}
	}
	return ledger.Put(ctx, e, false)
}

// revokedUser and revokedToken are keys of the ledger. Users and ids may be of any length and of any
// characters, so keys have fingerprints of them.
func revokedUser(user string) string { return "user:" + fingerprint(user) }

func revokedToken(id string) string { return "id:" + fingerprint(id) }
