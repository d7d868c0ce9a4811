package door

import (
	"net/http"

	"github.com/secondgate/secondgate/gateway/access"
	"github.com/secondgate/secondgate/gateway/limits"
	"github.com/secondgate/secondgate/gateway/metrics"
	"github.com/secondgate/secondgate/protocol"
)

// Each ticket is a row of the ledger, and each one that is tried is a read of it.

// MakesTicket takes one ticket of what a user and the request's address may have, or refuses it with
// rate_limited.
func (q *Quotas) MakesTicket(r *http.Request, p access.Principal) *protocol.Error {
	if p.ID != "" {
		if refused := q.ticket("user " + p.ID); refused != nil {
			return refused
		}
	}
	return q.TriesTicket(r)
}

// TriesTicket takes one ticket of what the request's address may try, before anybody knows who it is from,
// or refuses it with rate_limited. The ticket still holds then.
func (q *Quotas) TriesTicket(r *http.Request) *protocol.Error {
	address := q.counted(r)
	if !address.IsValid() {
		return nil
	}
	return q.ticket("address " + address.String())
}

func (q *Quotas) ticket(of string) *protocol.Error {
	wait := q.Tickets.Of(of).Request()
	if wait == 0 {
		return nil
	}
	q.Metrics.Limited(metrics.LimitTickets)
	return tooFast(wait, "more than %v tickets a second are made or tried by you or your address: slow down",
		q.Tickets.Requests().PerSecond)
}

// NewTicketRates gives every user and every address the same rate of tickets.
func NewTicketRates(r limits.Rate) *limits.Rates { return limits.NewRates(r, limits.Rate{}) }
