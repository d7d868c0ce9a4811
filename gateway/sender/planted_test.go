package sender_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/conformance/planted"
)

// TestPlantedBugs builds the sender with each bug in turn. The named test must fail; without the
// bug it passes.
func TestPlantedBugs(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Log("the run without the race detector plants the bugs")
		return
	}
	const order, last, ended = "TestNothingIsLostSentTwiceOrOutOfOrder",
		"TestNothingFollowsAnErrorOrTheLastItem", "TestNobodySendsAfterClose"
	for _, bug := range []struct{ name, old, new, test string }{
		{
			"a turn that ends forgets a wake",
			"more = more || s.state == woken", "_ = woken", order,
		},
		{
			"whoever would send forgets that somebody else does",
			"\tcase sending:\n\t\ts.state = woken\n\t}\n\treturn false", "\t}\n\treturn false", order,
		},
		{
			"a wake is forgotten while somebody sends",
			"\tcase sending:\n\t\ts.state = woken\n\t}\n}", "\t}\n}", order,
		},
		{
			"an item that had to wait is not written again",
			"go s.writeWaiting(item)\n\tcase result == Last", "go s.sendAll()\n\tcase result == Last", order,
		},
		{
			"something follows the last item",
			"case result == Last:\n\t\ts.end()\n\tdefault:", "default:", last,
		},
		{"Close does not wait", "s.close()\n\ts.busy.Wait()", "s.close()", ended},
	} {
		t.Run(bug.name, func(t *testing.T) {
			out, caught := planted.Run(t, planted.Bug{File: "sender.go", Old: bug.old, New: bug.new}, "^"+bug.test+"$")
			require.True(t, caught, "the bug was not noticed:\n%s", out)
			require.Contains(t, out, "--- FAIL: "+bug.test)
		})
	}
}
