package limits_test

import (
	"math/rand/v2"
	"net/netip"
	"strconv"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/gateway/limits"
)

// client is who a connection is of. Some have no user or no address.
type client struct {
	user    string
	address netip.Addr
}

func anyClient(random *rand.Rand) (c client) {
	if n := random.IntN(6); n > 0 {
		c.user = strconv.Itoa(n)
	}
	if n := random.IntN(5); n > 0 {
		c.address = netip.AddrFrom4([4]byte{10, 0, 0, byte(n)})
	}
	return c
}

// TestConnectionsAreCountedExactly: a connection is taken in when, and only when, no limit is full, and
// nothing is left of those that have ended. A list of the open connections decides what is right.
func TestConnectionsAreCountedExactly(t *testing.T) {
	t.Parallel()
	answers := map[limits.Full]int{}
	for seed := range uint64(60) {
		random := rand.New(rand.NewPCG(seed, 0))
		most := limits.Most{All: random.IntN(12), PerUser: random.IntN(5), PerAddress: random.IntN(5)}
		counted := limits.NewConnections(most)
		var open []client
		for range 400 {
			if len(open) > 0 && random.IntN(5) < 2 {
				i := random.IntN(len(open))
				counted.Leave(open[i].user, open[i].address)
				open = append(open[:i], open[i+1:]...)
				continue
			}
			c := anyClient(random)
			full := counted.Enter(c.user, c.address)
			require.Equal(t, fullFor(most, open, c), full, "seed %d: %+v, %+v of %+v", seed, most, c, open)
			answers[full]++
			if full == limits.NoneFull {
				open = append(open, c)
			}
			require.Equal(t, len(open), counted.Open())
		}
		for _, c := range open {
			counted.Leave(c.user, c.address)
		}
		require.Equal(t, limits.NewConnections(most), counted, "seed %d: something is left", seed)
	}
	require.Len(t, answers, 4, "a limit was never full")
}

// fullFor is the limit that must refuse one more connection.
func fullFor(most limits.Most, open []client, c client) limits.Full {
	users, addresses := 0, 0
	for _, o := range open {
		if c.user != "" && o.user == c.user {
			users++
		}
		if c.address.IsValid() && o.address == c.address {
			addresses++
		}
	}
	switch {
	case most.All > 0 && len(open) >= most.All:
		return limits.AllFull
	case most.PerUser > 0 && users >= most.PerUser:
		return limits.UserFull
	case most.PerAddress > 0 && addresses >= most.PerAddress:
		return limits.AddressFull
	}
	return limits.NoneFull
}

// TestConnectionsAtOnce: of many that come at once, exactly as many as may are taken in.
func TestConnectionsAtOnce(t *testing.T) {
	t.Parallel()
	most := limits.Most{All: 40, PerUser: 10, PerAddress: 10}
	counted := limits.NewConnections(most)
	var all sync.WaitGroup
	for i := range 16 {
		all.Go(func() {
			random := rand.New(rand.NewPCG(uint64(i), 1))
			for range 500 {
				c := anyClient(random)
				if counted.Enter(c.user, c.address) == limits.NoneFull {
					if n := counted.Open(); n > most.All {
						t.Errorf("%d are open of %d", n, most.All)
					}
					counted.Leave(c.user, c.address)
				}
			}
		})
	}
	all.Wait()
	require.Equal(t, limits.NewConnections(most), counted, "something is left")
}
