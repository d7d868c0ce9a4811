package door_test

import (
	"log/slog"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/gateway/access"
	"github.com/secondgate/secondgate/gateway/door"
	"github.com/secondgate/secondgate/gateway/limits"
	"github.com/secondgate/secondgate/protocol"
)

// TestPlacesAreGivenBack: connections that come and go in any order, of which some are refused, leave
// nothing behind.
func TestPlacesAreGivenBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, checkPlaces) // no time passes: an allowance stays used up
}

func checkPlaces(t *testing.T) {
	var log strings.Builder
	connections := limits.NewConnections(limits.Most{All: 22, PerUser: 6, PerAddress: 8})
	rates := limits.NewRates(limits.Rate{PerSecond: 1e-6, Burst: 300}, limits.Rate{})
	q := door.NewQuotas(connections, rates, nil, nil, nil, slog.New(slog.NewTextHandler(&log, nil)))
	random := rand.New(rand.NewPCG(1, 2))
	var open []*door.Place
	refused := map[string]int{}
	for range 6000 {
		if len(open) > 0 && random.IntN(5) < 2 {
			i := random.IntN(len(open))
			open[i].Leave()
			open = append(open[:i], open[i+1:]...)
			continue
		}
		r := &http.Request{RemoteAddr: "203.0.113." + strconv.Itoa(random.IntN(5)) + ":1"}
		place, err := q.Enter(r, access.Principal{ID: "u" + strconv.Itoa(random.IntN(8))})
		if err != nil {
			require.Equal(t, protocol.CodeRateLimited, err.Code)
			require.Positive(t, err.RetryAfter)
			refused[strings.Join(strings.FieldsFunc(err.Message, isDigit), "")]++
			continue
		}
		open = append(open, place)
		require.Equal(t, len(open), connections.Open())
		require.Equal(t, len(open), rates.Held())
	}
	require.Len(t, refused, 4, "%v", refused)
	for _, place := range open {
		place.Leave()
	}
	require.Zero(t, connections.Open())
	require.Zero(t, rates.Held())
	require.Equal(t, 1, strings.Count(log.String(), "--trusted-proxy"), "a line a minute")
}

func isDigit(r rune) bool { return '0' <= r && r <= '9' }
