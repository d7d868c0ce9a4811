package access

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/protocol"
)

var (
	home = protocol.Scope{Workspace: "w1", App: "a1"}
	away = protocol.Errorf(protocol.CodeUnavailable, "away")
)

// ask identifies a request to follow home; headers may be nil.
func ask(t *Tickets, ticket string, headers http.Header) (Principal, *protocol.Error) {
	r := httptest.NewRequest("GET", "/?cursor=x&ticket="+url.QueryEscape(ticket), nil)
	maps.Copy(r.Header, headers)
	return t.Identify(r, home)
}

func tickets(mode Mode, l *fakeLedger) *Tickets {
	t := NewTickets(mode, l, slog.New(slog.DiscardHandler))
	t.now = func() time.Time { return noon }
	return t
}

func tokens() *JWT {
	return newJWT(secret, "issuer", "gateway", DefaultClaims, func() time.Time { return noon })
}

func verified(t *testing.T, claims jwt.MapClaims) Principal {
	t.Helper()
	p, refused := tokens().verify(t.Context(), signed(t, jwt.SigningMethodHS256, []byte(secret), nil, claims))
	require.Nil(t, refused)
	return p
}

// TestTicketIsItsPrincipal, all of it, once, and the ledger does not show whose it is.
func TestTicketIsItsPrincipal(t *testing.T) {
	t.Parallel()
	l := &fakeLedger{}
	for _, claims := range []jwt.MapClaims{good(), with(jwt.MapClaims{"iat": noon.Unix(), "jti": "j1"})} {
		p := verified(t, claims)
		p.Recheck, p.credential = time.Second, "session=\xff\n"
		made, refused := tickets(tokens(), l).Make(t.Context(), p, home)
		require.Nil(t, refused)
		require.GreaterOrEqual(t, len(made.Text)*5, 128, "of 5 bits each")
		require.Equal(t, noon.Add(30*time.Second), made.Expires)
		require.Len(t, l.entries, 1)
		require.Equal(t, made.Expires, l.entries[0].Expires)
		for _, secret := range []string{made.Text, p.ID, p.Name, "viewer", "session"} {
			require.NotContains(t, string(l.entries[0].Body)+l.entries[0].Key, secret)
		}
		got, refused := ask(tickets(tokens(), l), made.Text, nil)
		require.Nil(t, refused)
		require.True(t, p.Expires.Equal(got.Expires) && p.issued.Equal(got.issued))
		got.Expires, got.issued = p.Expires, p.issued
		require.Equal(t, p, got)
		taken := l.taken
		_, refused = ask(tickets(tokens(), l), made.Text, nil)
		require.Equal(t, errTicket, refused)
		require.Equal(t, taken, l.taken, "a ticket that is not there keeps no writer waiting")
	}
}

func TestTicketEndsWithItsCredential(t *testing.T) {
	t.Parallel()
	p := verified(t, with(jwt.MapClaims{"exp": noon.Add(5 * time.Second).Unix()}))
	made, refused := tickets(tokens(), &fakeLedger{}).Make(t.Context(), p, home)
	require.Nil(t, refused)
	require.True(t, p.Expires.Equal(made.Expires))
}

// spoil changes what is in the ledger, or which ticket a client has.
type spoil func(l *fakeLedger, text string) string

func says(other string) spoil { return func(*fakeLedger, string) string { return other } }

func keeps(body []byte) spoil {
	return func(l *fakeLedger, text string) string {
		l.entries[0].Body = body
		return text
	}
}

// TestTicketsThatDoNotHold are all told the same.
func TestTicketsThatDoNotHold(t *testing.T) {
	t.Parallel()
	p := verified(t, good())
	draft, elsewhere := home, home
	draft.Draft, elsewhere.App = true, "b"
	for name, c := range map[string]struct {
		made  protocol.Scope
		mode  Mode
		spoil spoil
	}{
		"another app":   {made: elsewhere},
		"the draft":     {made: draft},
		"no mode":       {made: home, mode: None{}},
		"other issuer":  {made: home, mode: newJWT(secret, "other", "gateway", DefaultClaims, time.Now)},
		"empty":         {made: home, spoil: says("")},
		"unknown":       {made: home, spoil: says("AAAAAAAAAAAAAAAAAAAAAAAAAA")},
		"endless":       {made: home, spoil: says(strings.Repeat("A", 99))},
		"another entry": {made: home, spoil: keeps([]byte("a text that is longer than a nonce and its tag"))},
		"short entry":   {made: home, spoil: keeps(nil)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := &fakeLedger{}
			mode := c.mode
			if mode == nil {
				mode = tokens()
			}
			made, refused := tickets(mode, l).Make(t.Context(), p, c.made)
			require.Nil(t, refused)
			text := made.Text
			if c.spoil != nil {
				text = c.spoil(l, text)
			}
			_, refused = ask(tickets(tokens(), l), text, nil)
			require.Equal(t, errTicket, refused)
		})
	}
	q := httptest.NewRequest("GET", "/?ticket=x", nil)
	_, refused := tickets(tokens(), &fakeLedger{}).Identify(q, protocol.Scope{})
	require.Equal(t, errTicket, refused, "a place that cannot be")
}

// TestTicketIsTheOnlyCredential but for cookies, which a browser sends by itself.
func TestTicketIsTheOnlyCredential(t *testing.T) {
	t.Parallel()
	l := &fakeLedger{}
	x := tickets(None{}, l)
	made, refused := x.Make(t.Context(), localOwner, home)
	require.Nil(t, refused)
	before := l.asked
	for _, h := range []http.Header{
		{"Authorization": {"Bearer x"}}, {"Authorization": {""}}, {"Authorization": {"Basic x"}},
		{"Sec-Websocket-Protocol": {"second.data.v1, second.bearer.x"}},
	} {
		_, refused := ask(x, made.Text, h)
		require.NotNil(t, refused)
		require.Equal(t, protocol.CodeInvalidMessage, refused.Code)
	}
	for _, query := range []string{"&ticket=x", "&token=x"} {
		_, refused := x.Identify(httptest.NewRequest("GET", "/?ticket="+made.Text+query, nil), home)
		require.NotNil(t, refused)
		require.Equal(t, protocol.CodeInvalidMessage, refused.Code)
	}
	require.Equal(t, before, l.asked, "the ticket still holds")
	p, refused := ask(x, made.Text, http.Header{"Cookie": {"session=x"}})
	require.Nil(t, refused)
	require.Equal(t, localOwner, p)
	p, refused = x.Identify(httptest.NewRequest("GET", "/", nil), home)
	require.Nil(t, refused)
	require.Equal(t, localOwner, p)
}

// TestTicketsWithoutADatabase: what passes may be tried again, what does not is in the log.
func TestTicketsWithoutADatabase(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		fails error
		code  protocol.Code
	}{
		{away, protocol.CodeUnavailable}, {context.DeadlineExceeded, protocol.CodeUnavailable},
		{errors.New("a bug"), protocol.CodeInternal},
	} {
		l := &fakeLedger{}
		var lines bytes.Buffer
		x := NewTickets(tokens(), l, slog.New(slog.NewTextHandler(&lines, nil)))
		made, refused := x.Make(t.Context(), verified(t, good()), home)
		require.Nil(t, refused)
		l.fail(c.fails)
		_, refused = x.Make(t.Context(), verified(t, good()), home)
		require.NotNil(t, refused)
		require.Equal(t, c.code, refused.Code)
		_, refused = ask(x, made.Text, nil)
		require.NotNil(t, refused)
		require.Equal(t, c.code, refused.Code)
		require.Equal(t, c.code == protocol.CodeInternal, lines.Len() > 0)
		require.NotContains(t, lines.String(), made.Text)
		l.fail(nil)
		_, refused = ask(x, made.Text, nil)
		require.Nil(t, refused)
	}
}

// raced is a ledger where another gateway is faster, always.
type raced struct{ *fakeLedger }

func (l raced) Take(ctx context.Context, kind, key string) (backends.Entry, error) {
	if _, err := l.fakeLedger.Take(ctx, kind, key); err != nil {
		return backends.Entry{}, err
	}
	return l.fakeLedger.Take(ctx, kind, key)
}

// TestTicketThatAnotherTakesFirst holds no more, as one that was never there.
func TestTicketThatAnotherTakesFirst(t *testing.T) {
	t.Parallel()
	x := tickets(tokens(), &fakeLedger{})
	x.ledger = raced{&fakeLedger{}}
	made, refused := x.Make(t.Context(), verified(t, good()), home)
	require.Nil(t, refused)
	_, refused = ask(x, made.Text, nil)
	require.Equal(t, errTicket, refused)
}
