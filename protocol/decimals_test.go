package protocol_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/protocol"
)

// TestCanonicalDecimals: what a database that knows decimals only makes of a canonical number is
// that number again.
func TestCanonicalDecimals(t *testing.T) {
	zeros := func(n int) string { return strings.Repeat("0", n) }
	for literal, want := range map[string]string{
		"1" + zeros(300):                 "1e+300",
		"-1" + zeros(300):                "-1e+300",
		"15" + zeros(299):                "1.5e+300",
		"17976931348623157" + zeros(292): "1.7976931348623157e+308",
		"1" + zeros(21):                  "1e+21",
		"1" + zeros(20):                  "100000000000000000000",
		"9007199254740992":               "9007199254740992",
		"0.0000001":                      "1e-7",
		"1.0":                            "1",
		"-0.0":                           "0",
		// What a double would round, and what is beyond all doubles.
		"9007199254740993":               "",
		"1" + zeros(299) + "1":           "",
		"10" + zeros(21) + "1":           "",
		"17976931348623159" + zeros(292): "",
		"1" + zeros(400):                 "",
	} {
		got, err := protocol.CanonicalDecimals([]byte(`{"n":` + literal + `}`))
		if want == "" {
			require.Equal(t, protocol.CodeInvalidDocument, protocol.CodeOf(err), literal)
			continue
		}
		require.NoError(t, err, literal)
		require.Equal(t, `{"n":`+want+`}`, string(got))
	}
}
