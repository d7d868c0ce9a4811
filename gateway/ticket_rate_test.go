package gateway_test

import (
	"net/http"
	"net/netip"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/conformance/client"
	"github.com/secondgate/secondgate/conformance/planted"
	"github.com/secondgate/secondgate/gateway"
	"github.com/secondgate/secondgate/gateway/metrics"
)

// TestRateOfTickets: a user makes so many from anywhere, and an address makes and tries so many for anybody.
// A ticket that is refused for the rate still holds.
func TestRateOfTickets(t *testing.T) {
	const says = "more than 0 tickets a second are made or tried by you or your address"
	const from = "X-Forwarded-For: "
	inLimits(t, func(c *gateway.Config) {
		byToken(c)
		c.TicketRate = never(3)
		c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	}, func(l *limited) {
		ask := func(user, address string) client.Reply {
			a, err := client.Do(l.ctx, http.MethodPost, client.DataURL(l.url, here, "ticket"), "",
				l.header(user), from+address)
			require.NoError(l, err)
			return a
		}
		for _, address := range []string{"203.0.113.1", "203.0.113.2", "203.0.113.3"} {
			require.Equal(l, http.StatusOK, ask("ada", address).Status)
		}
		a := ask("ada", "203.0.113.4")
		l.tooMany(&a, says)
		bobs := ask("bob", "203.0.113.1")
		require.Equal(l, http.StatusOK, bobs.Status)
		kept := regexp.MustCompile(`"ticket":"([A-Z2-7]+)"`).FindStringSubmatch(bobs.Body)[1]
		require.Equal(l, http.StatusOK, ask("eve", "203.0.113.1").Status, "the third of this address")
		a = ask("mallory", "203.0.113.1")
		l.tooMany(&a, says)

		try := func(ticket, address string) *client.Reply {
			_, answer := l.dialAt(client.URL(l.url, here, "ticket", ticket), from+address)
			require.NotNil(l, answer, "it was opened")
			return answer
		}
		for range 3 {
			require.Equal(l, http.StatusUnauthorized, try("AAAAAAAAAAAAAAAAAAAAAAAAAA", "203.0.113.9").Status)
		}
		l.tooMany(try(kept, "203.0.113.9"), says)
		w := openStream(l.T, l.ctx, client.StreamURL(l.url, here)+"&ticket="+kept, from+"203.0.113.9")
		require.Equal(l, http.StatusOK, w.status, "an event stream comes back later")
		first, _ := w.next()
		require.NotEmpty(l, first.Retry)
		require.Empty(l, first.ID)
		w = openStream(l.T, l.ctx, client.StreamURL(l.url, here)+"&ticket="+kept, from+"203.0.113.10")
		second, _ := w.next()
		require.NotEmpty(l, second.ID, "it held still")
		require.Equal(l, 4.0, l.countRefused(metrics.LimitTickets))
	})
}

// ticketBugs are in the rate of tickets.
func ticketBugs() (all []planted.Bug) {
	for _, bug := range []planted.Bug{
		{Name: "a user makes tickets without end", Old: `if p.ID != "" {`, New: `if false {`},
		{Name: "an address tries tickets without end", Old: `if !address.IsValid() {`, New: `if true {`},
		{Name: "refusals are not counted", Old: `q.Metrics.Limited(metrics.LimitTickets)`, New: ``},
	} {
		bug.File, bug.Test, bug.Says = "door/ticket_rate.go", "^TestRateOfTickets$", "--- FAIL: TestRateOfTickets"
		all = append(all, bug)
	}
	return all
}
