package hub

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// recordedMember records when it is served.
type recordedMember struct {
	served func(name string)
	name   string
}

func (m recordedMember) Serve() { m.served(m.name) }

// TestShardServesTheBacklogLast: a backlog of any length delays the queue by a few messages only,
// and is served while the queue goes on.
func TestShardServesTheBacklogLast(t *testing.T) {
	t.Parallel()
	s := newShard()
	var order []string
	rounds := 0
	served := func(name string) { order = append(order, name) }
	for range 1000 {
		s.AddToBacklog(recordedMember{served, "backlog"})
	}
	var again recordedMember
	again = recordedMember{func(name string) {
		served(name)
		if rounds++; rounds < 1000 {
			s.Add(again)
		}
	}, "level"}
	s.Add(again)
	s.closed = true // run ends when nothing is queued
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
		require.LessOrEqual(t, between, backlogAtOnce)
	}
	require.LessOrEqual(t, last, 1000+1000/backlogAtOnce+1, "the backlog is served beside the queue")
}
