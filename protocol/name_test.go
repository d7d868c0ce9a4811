package protocol_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/protocol"
)

func TestNamesOver4KiBAreRefused(t *testing.T) {
	for _, field := range []string{"collection", "docId"} {
		for length, code := range map[int]protocol.Code{4 << 10: "", 4<<10 + 1: protocol.CodeInvalidID} {
			names := map[string]string{"collection": "c", "docId": "d"}
			names[field] = strings.Repeat("x", length)
			frame := `{"type":"second:data:subscribe","requestId":"r","collection":"` + names["collection"] +
				`","docId":"` + names["docId"] + `"}`
			_, err := protocol.DecodeRequest([]byte(frame), protocol.DefaultLimits)
			require.Equal(t, code, protocol.CodeOf(err), "%s of %d bytes", field, length)
		}
	}
}
