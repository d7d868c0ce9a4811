package gateway_test

import (
	"testing"
	"time"

	"github.com/secondgate/secondgate/conformance/history"
	"github.com/secondgate/secondgate/gateway"
)

// TestBrowserHistory: random histories of pages as today's browsers have them, which know no cursor
// and no reset. Their streams are cut and resume. Whenever a stream says that it has told
// everything, what the hooks show is the database.
func TestBrowserHistory(t *testing.T) {
	t.Parallel()
	for name, h := range harnesses() {
		if testing.Short() && !isModel(h) {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run := historyOver(t, h, h.Open(t), forgetful)
			run.Seed, run.Duration, run.BrowserClients = 6, 2*time.Second, 6
			run.Least = history.Counts{
				Writes: 200, Batches: 5, RESTWrites: 50, Kept: 20, Outside: 5, IDs: 200,
				StreamCuts: 30, StreamResumes: 20, StreamsFresh: 10, Opened: 20, Missed: 10,
			}
			if testing.Short() {
				run.Least = run.Least.Over(5)
			}
			history.Check(t, run)
		})
	}
}

// forgetful has streams that were cut catch up from the database.
func forgetful(c *gateway.Config) { c.LogBytes = 2_000 }
