package sender_test

import (
	"testing"

	"github.com/secondgate/secondgate/conformance/planted"
)

// TestPlantedBugs builds the sender with bugs. The named test must fail with each.
func TestPlantedBugs(t *testing.T) {
	const order, last, ended = "TestNothingIsLostSentTwiceOrOutOfOrder",
		"TestNothingFollowsAnErrorOrTheLastItem", "TestNobodySendsAfterClose"
	suite := planted.Suite{}
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
		suite.Bugs = append(suite.Bugs, planted.Bug{
			Name: bug.name, File: "sender.go", Old: bug.old, New: bug.new,
			Test: "^" + bug.test + "$", Says: "--- FAIL: " + bug.test,
		})
	}
	planted.Check(t, suite)
}
