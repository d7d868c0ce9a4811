package access

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"log/slog"
	"net/http"
	"time"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/protocol"
)

const (
	// TicketParameter is where a URL has a ticket.
	TicketParameter = "ticket"
	// ticketTime is how long a ticket holds.
	ticketTime = 30 * time.Second
	// longestTicket is more than a ticket has, in bytes.
	longestTicket = 64
	// ticketKind is the kind of tickets in the ledger.
	ticketKind = "ticket"
)

// Ticket lets one connection follow one scope, instead of a credential. It holds once, and not for long, so
// it may stand in a URL.
type Ticket struct {
	Text    string
	Expires time.Time
}

// Tickets makes tickets and redeems them. They are in the database's ledger, so each is redeemed once by all
// gateways of the database. Any goroutine may call its methods.
//
// The ledger has a fingerprint of the ticket and, encrypted with a key that only the ticket yields, whose it
// is. Somebody who reads the database can neither redeem a ticket nor see a credential.
type Tickets struct {
	mode   Mode
	ledger backends.Ledger
	log    *slog.Logger
	now    func() time.Time
}

// NewTickets makes tickets of a mode's principals.
func NewTickets(mode Mode, ledger backends.Ledger, log *slog.Logger) *Tickets {
	return &Tickets{mode: mode, ledger: ledger, log: log, now: time.Now}
}

// Make makes a ticket of a principal that may follow the scope.
func (t *Tickets) Make(ctx context.Context, p Principal, s protocol.Scope) (Ticket, *protocol.Error) {
	made := Ticket{Text: rand.Text(), Expires: t.now().Add(ticketTime)}
	if !p.Expires.IsZero() && p.Expires.Before(made.Expires) {
		made.Expires = p.Expires
	}
	made.Expires = made.Expires.UTC().Truncate(time.Millisecond)
	err := t.ledger.Put(ctx, backends.Entry{
		Kind: ticketKind, Key: fingerprint(made.Text), Body: t.seal(made.Text, p, s),
		At: t.now(), Expires: made.Expires,
	}, true)
	if err != nil {
		return Ticket{}, ledgerFailed(t.log, "a ticket could not be kept", err)
	}
	return made, nil
}

// Identify is [Mode.Identify] for a request to follow a scope, which may have a ticket in its URL.
func (t *Tickets) Identify(r *http.Request, s protocol.Scope) (Principal, *protocol.Error) {
	given, some := r.URL.Query()[TicketParameter]
	if !some {
		return t.mode.Identify(r, s)
	}
	// Cookies do not count: a browser sends them by itself.
	if len(given) > 1 || hasTokenInURL(r.URL) || len(tokensOf(r)) > 0 {
		return Principal{}, errSeveral()
	}
	return t.redeem(r.Context(), given[0], s)
}

// redeem takes a ticket out of the ledger. One that is tried for another scope is used up too.
func (t *Tickets) redeem(ctx context.Context, text string, s protocol.Scope) (Principal, *protocol.Error) {
	if text == "" || len(text) > longestTicket || s == (protocol.Scope{}) {
		return Principal{}, errTicket
	}
	ctx, cancel := context.WithTimeout(ctx, ledgerTime)
	defer cancel()
	entry, err := t.take(ctx, fingerprint(text))
	if protocol.CodeOf(err) == protocol.CodeNotFound { // another one was faster
		return Principal{}, errTicket
	}
	if err != nil {
		return Principal{}, ledgerFailed(t.log, "a ticket could not be redeemed", err)
	}
	p, ok := t.unseal(text, entry.Body, s)
	if !ok {
		return Principal{}, errTicket
	}
	return p, nil
}

// take looks before it takes: whoever comes without a ticket that is there must not keep writers waiting.
func (t *Tickets) take(ctx context.Context, key string) (backends.Entry, error) {
	found, err := t.ledger.Find(ctx, ticketKind, key, "", 1)
	if err != nil {
		return backends.Entry{}, err
	}
	if len(found) == 0 {
		return backends.Entry{}, errTicket
	}
	return t.ledger.Take(ctx, ticketKind, key)
}

// errTicket does not say which it is: whoever guesses tickets learns nothing.
var errTicket = protocol.Errorf(protocol.CodeUnauthorized,
	"the ticket does not hold: it was used, has expired, or is for something else; ask for another one")

// fingerprint names a ticket in the ledger.
func fingerprint(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// holder is the principal of a ticket, as it is encrypted.
type holder struct {
	Realm      string
	ID, Name   string
	Actor      backends.Actor
	Roles      *Roles
	Expires    time.Time
	Recheck    time.Duration
	Issued     time.Time
	TokenID    string
	Credential []byte // cookies may be no UTF-8
}

// seal cannot fail: the times of a principal have years that JSON takes.
func (t *Tickets) seal(text string, p Principal, s protocol.Scope) []byte {
	plain, _ := json.Marshal(holder{
		Realm: t.mode.Realm(), ID: p.ID, Name: p.Name, Actor: p.Actor, Roles: p.Roles, Expires: p.Expires,
		Recheck: p.Recheck, Issued: p.issued, TokenID: p.tokenID, Credential: []byte(p.credential),
	})
	return ticketCipher(text).Seal(nil, nil, plain, scopeText(s))
}

// unseal fails on a ticket of another scope or realm.
func (t *Tickets) unseal(text string, body []byte, s protocol.Scope) (p Principal, ok bool) {
	plain, err := ticketCipher(text).Open(nil, nil, body, scopeText(s))
	if err != nil {
		return p, false
	}
	var h holder
	if json.Unmarshal(plain, &h) != nil || h.Realm != t.mode.Realm() {
		return p, false
	}
	return Principal{
		ID: h.ID, Name: h.Name, Actor: h.Actor, Roles: h.Roles, Expires: h.Expires, Recheck: h.Recheck,
		issued: h.Issued, tokenID: h.TokenID, credential: string(h.Credential),
	}, true
}

// ticketCipher has the key that a ticket yields. Each key encrypts one body. Nothing here fails for a key
// of 32 bytes; if it did, the cipher would be nil, and its first use would end the request.
func ticketCipher(text string) cipher.AEAD {
	key, _ := hkdf.Key(sha256.New, []byte(text), nil, "secondgate ticket", 32)
	block, _ := aes.NewCipher(key)
	aead, _ := cipher.NewGCMWithRandomNonce(block)
	return aead
}

// scopeText has no two scopes alike: ids hold no slash.
func scopeText(s protocol.Scope) []byte { return []byte(s.Workspace + "/" + s.App + "/" + s.Version()) }
