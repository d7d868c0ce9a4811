package door

import (
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/netip"
	"time"

	"golang.org/x/time/rate"

	"github.com/secondgate/secondgate/gateway/access"
	"github.com/secondgate/secondgate/gateway/limits"
	"github.com/secondgate/secondgate/gateway/metrics"
	"github.com/secondgate/secondgate/protocol"
)

// Quotas are what one user, one address and all clients together may have of the gateway. A principal
// without an id stands for everybody: no quota of a user holds for it. Any goroutine may call its
// methods.
type Quotas struct {
	Connections *limits.Connections
	Rates       *limits.Rates
	Tickets     *limits.Rates // by user and by address: see MakesTicket
	Proxies     Proxies
	Metrics     *metrics.Metrics // nil counts nothing
	Log         *slog.Logger

	addressLog rate.Sometimes
}

// NewQuotas makes a log of full addresses of a line a minute at most.
func NewQuotas(
	c *limits.Connections, r, tickets *limits.Rates, p Proxies, m *metrics.Metrics, log *slog.Logger,
) *Quotas {
	return &Quotas{
		Connections: c, Rates: r, Tickets: tickets, Proxies: p, Metrics: m, Log: log,
		addressLog: rate.Sometimes{First: 1, Interval: time.Minute},
	}
}

// Place is what an open connection has of the quotas.
type Place struct {
	quotas    *Quotas
	user      string
	address   netip.Addr
	allowance *limits.Allowance
}

// Enter has a connection begin, which counts as a request too. The caller calls Leave once the
// connection has ended. It refuses with rate_limited.
func (q *Quotas) Enter(r *http.Request, p access.Principal) (*Place, *protocol.Error) {
	refused := q.Request(q.Rates.Of(p.ID))
	address := q.counted(r)
	if refused == nil {
		refused = q.refuse(q.Connections.Enter(p.ID, address), address)
	}
	if refused != nil {
		return nil, refused
	}
	return &Place{quotas: q, user: p.ID, address: address, allowance: q.Rates.Hold(p.ID)}, nil
}

// Leave gives the place back.
func (p *Place) Leave() {
	p.quotas.Connections.Leave(p.user, p.address)
	p.quotas.Rates.Drop(p.allowance)
}

// Spend takes one request of so many bytes, or refuses it with rate_limited.
func (p *Place) Spend(bytes int) *protocol.Error {
	if p.allowance == nil {
		return nil
	}
	if refused := p.quotas.Request(p.allowance); refused != nil {
		return refused
	}
	return p.quotas.Bytes(p.allowance, bytes)
}

// counted is the address that a connection counts for; not valid where it counts for none. Programs on
// this machine are the operator's. One client may have a whole /64 of IPv6.
func (q *Quotas) counted(r *http.Request) netip.Addr {
	address, named := q.Proxies.ClientOf(r)
	if address.IsLoopback() && !named {
		return netip.Addr{}
	}
	if address.Is6() {
		network, _ := address.Prefix(64) // cannot fail
		address = network.Addr()
	}
	return address
}

const (
	// fullWait is how long a client should wait at least for a place among the connections, fullSpread
	// how much longer at most: a place comes free when somebody leaves, not soon.
	fullWait, fullSpread = 5 * time.Second, 5 * time.Second
)

// refuse says which limit of connections is full, to the client and in metrics.
func (q *Quotas) refuse(full limits.Full, address netip.Addr) (refused *protocol.Error) {
	most := q.Connections.Most()
	limit := metrics.LimitConnections
	switch full {
	case limits.NoneFull:
		return nil
	case limits.AllFull:
		refused = protocol.Errorf(protocol.CodeRateLimited,
			"the gateway has %d connections open, which is its limit: try again later", most.All)
	case limits.UserFull:
		limit = metrics.LimitUser
		refused = protocol.Errorf(protocol.CodeRateLimited,
			"you have %d connections open, which is the limit of a user: close some", most.PerUser)
	case limits.AddressFull:
		limit = metrics.LimitAddress
		refused = protocol.Errorf(protocol.CodeRateLimited,
			"your address has %d connections open, which is the limit of one: close some", most.PerAddress)
		q.addressLog.Do(func() {
			q.Log.Warn("an address has as many connections as --connections-per-address says: "+
				"if it is a proxy's, name it with --trusted-proxy", "address", address)
		})
	}
	q.Metrics.Limited(limit)
	refused.RetryAfter = fullWait + rand.N(fullSpread)
	return refused
}

// Request takes one request from an allowance, or refuses it with rate_limited.
func (q *Quotas) Request(a *limits.Allowance) *protocol.Error {
	wait := a.Request()
	if wait == 0 {
		return nil
	}
	q.Metrics.Limited(metrics.LimitRequests)
	return tooFast(wait, "you ask more than %v times a second: slow down", q.Rates.Requests().PerSecond)
}

// Bytes takes bytes that a client sends from an allowance, or refuses them with rate_limited.
func (q *Quotas) Bytes(a *limits.Allowance, n int) *protocol.Error {
	wait := a.Bytes(n)
	if wait == 0 {
		return nil
	}
	q.Metrics.Limited(metrics.LimitBytes)
	return tooFast(wait, "you send more than %v bytes a second: slow down", q.Rates.Bytes().PerSecond)
}

func tooFast(wait time.Duration, format string, perSecond float64) *protocol.Error {
	refused := protocol.Errorf(protocol.CodeRateLimited, format, int64(perSecond))
	refused.RetryAfter = wait
	return refused
}
