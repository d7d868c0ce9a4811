package wire

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"sync"
	"time"

	"github.com/secondgate/secondgate/conformance/client"
	"github.com/secondgate/secondgate/protocol"
)

// Verdict is what one rule has found.
type Verdict struct {
	Rule Rule
	// Failures is how the gateway breaks the rule; nothing if it holds.
	Failures []string
	Took     time.Duration
}

// Check holds a gateway to rules, so many at once, and tells each verdict in the rules' order as soon as it can. It
// returns when all have ended; tell is called on the caller's goroutine.
func Check(ctx context.Context, target Target, rules []Rule, atOnce int, tell func(Verdict)) {
	verdicts := make([]chan Verdict, len(rules))
	for i := range verdicts {
		verdicts[i] = make(chan Verdict, 1)
	}
	next := make(chan int, len(rules))
	for i := range rules {
		next <- i
	}
	close(next)
	var workers sync.WaitGroup
	defer workers.Wait()
	for range atOnce {
		workers.Go(func() {
			for i := range next {
				begun := time.Now()
				failures := rules[i].Try(ctx, target)
				verdicts[i] <- Verdict{rules[i], failures, time.Since(begun)}
			}
		})
	}
	for _, v := range verdicts {
		tell(<-v)
	}
}

// Reach fails where there is nothing to hold to rules: the target makes no sense, or nobody answers at its URL.
func (t Target) Reach(ctx context.Context) error {
	u, err := url.Parse(t.URL)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return fmt.Errorf("the URL %q is not the base of a gateway, such as http://127.0.0.1:8080", t.URL)
	}
	app := t.App
	if app == "" {
		app = "conformance"
	}
	scope, err := protocol.ParseScope(t.Workspace, app, "")
	if err != nil {
		var refused *protocol.Error
		errors.As(err, &refused)
		return errors.New(refused.Message)
	}
	ctx, cancel := context.WithTimeout(ctx, waitTime)
	defer cancel()
	if _, err := client.Do(ctx, "GET", client.DataURL(t.URL, scope, "", "collection", "conformance"), ""); err != nil {
		return fmt.Errorf("nobody answers at %s: %w", t.URL, err)
	}
	return nil
}
