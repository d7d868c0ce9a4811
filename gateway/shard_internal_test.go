package gateway

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// noted is a member that notes when it is served.
type noted struct {
	served func(name string)
	name   string
}

func (n noted) serve() { n.served(n.name) }

// TestShardServesThoseBehindLast: those who have much to be sent, as many as there may be, hold nobody else up but for a few
// messages; and they are served too while others go on.
func TestShardServesThoseBehindLast(t *testing.T) {
	t.Parallel()
	s := &shard{}
	s.cond = sync.NewCond(&s.mu)
	var order []string
	rounds := 0
	served := func(name string) { order = append(order, name) }
	for range 1000 {
		s.addBehind(noted{served, "behind"})
	}
	var again noted
	again = noted{func(name string) {
		served(name)
		if rounds++; rounds < 1000 {
			s.add(again)
		}
	}, "level"}
	s.add(again)
	s.closed = true // run ends when nobody is left
	s.run()
	require.Len(t, order, 2000)
	require.Equal(t, "level", order[0])
	between, last := 0, 0
	for i, name := range order {
		if name == "level" {
			between = 0
			continue
		}
		between, last = between+1, i
		require.LessOrEqual(t, between, behindAtOnce)
	}
	require.LessOrEqual(t, last, 1000+1000/behindAtOnce+1, "those behind are served beside the others")
}
