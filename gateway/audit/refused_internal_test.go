package audit

import (
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/protocol"
)

// TestRefusedWritesHaveRowsAtTheirLevelOnly: the queue says it at once; rows are stored later.
func TestRefusedWritesHaveRowsAtTheirLevelOnly(t *testing.T) {
	t.Parallel()
	refused := Refused{Reason: protocol.Errorf(protocol.CodeForbidden, "no")}
	for level, want := range map[Level]int{LevelOff: 0, LevelWrites: 0, LevelAll: 1} {
		trail := New(nil, Config{Level: level}, slog.New(slog.DiscardHandler))
		trail.Refuse(t.Context(), refused)
		require.Len(t, trail.refused.queue, want, "level %d", level)
	}
}
