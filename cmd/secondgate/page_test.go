package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/require"
)

// chromium is the system's: ci/setup.sh installs it. Without it the test fails.
const chromium = "chromium"

// pageTime bounds the whole test, and so every wait in it.
const pageTime = 3 * time.Minute

const (
	left  = `section[aria-label="Left pane"]`
	right = `section[aria-label="Right pane"]`
)

// TestPage shows the main job in a real browser, without any package: two panes edit one collection
// live, what sqlite3 writes appears in both, and after the gateway was killed and started again
// both go on where they were.
func TestPage(t *testing.T) {
	s := newServer(t)
	b := openPage(t, "http://"+s.address+"/plain/")
	b.wait("both panes are live", func() bool { return b.state(left) == "live" && b.state(right) == "live" })

	b.do(chromedp.SendKeys(left+" form input", "milk\r"))
	b.shows(right, "milk")
	b.shows(left, "milk")

	b.do(chromedp.SendKeys(right+" .text", kb.End+" and bread\t"))
	b.shows(left, "milk and bread")
	b.do(chromedp.Click(left + " li input[type=checkbox]"))
	b.wait("the other pane has it done", func() bool { return b.is(right + " li.done") })

	command := b.text("pre code")
	s.shell(command)
	b.shows(left, "from the shell", "milk and bread")
	b.shows(right, "from the shell", "milk and bread")

	const attack = `<img src=x onerror=document.body.remove()>`
	s.shell(strings.Replace(command, "from the shell", attack, 1))
	b.shows(left, attack, "from the shell", "milk and bread")
	b.shows(right, attack, "from the shell", "milk and bread")
	require.False(t, b.is("img"), "a document has become markup")

	b.do(chromedp.Click(right + " li button"))
	b.shows(left, "from the shell", "milk and bread")
	b.shows(right, "from the shell", "milk and bread")

	s.kill()
	b.wait("both panes notice", func() bool { return b.state(left) != "live" && b.state(right) != "live" })
	s.shell(strings.Replace(command, "from the shell", "while it was away", 1))
	b.do(chromedp.SendKeys(left+" form input", "typed meanwhile\r"))
	s.start()
	b.wait("both panes have resumed", func() bool {
		return b.text(left+" output") == "live, resumed" && b.text(right+" output") == "live, resumed"
	})
	want := []string{"typed meanwhile", "while it was away", "from the shell", "milk and bread"}
	b.shows(left, want...)
	b.shows(right, want...)
	require.Empty(t, b.text(left+" .error")+b.text(right+" .error"))
}

// browser is a headless Chromium with one page open.
type browser struct {
	*testing.T
	ctx context.Context
}

func openPage(t *testing.T, url string) *browser {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), pageTime)
	t.Cleanup(cancel)
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(chromium), chromedp.Flag("no-sandbox", true), chromedp.Flag("disable-gpu", true),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true))
	ctx, cancel = chromedp.NewExecAllocator(ctx, options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	b := &browser{t, ctx}
	b.do(chromedp.Navigate(url))
	return b
}

func (b *browser) do(steps ...chromedp.Action[chromedp.Void]) {
	b.Helper()
	require.NoError(b, chromedp.Do(b.ctx, steps...), "is chromium installed? ci/setup.sh does it")
}

// wait looks again and again until the page is as it should be.
func (b *browser) wait(what string, ok func() bool) {
	b.Helper()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for !ok() {
		select {
		case <-again.C:
		case <-b.ctx.Done():
			b.Fatalf("%s: it did not come to that", what)
		}
	}
}

// shows waits until the texts of a pane's rows are those.
func (b *browser) shows(pane string, want ...string) {
	b.Helper()
	var got []string
	defer func() {
		if b.Failed() {
			b.Logf("%s shows %q", pane, got[:min(len(got), 10)])
		}
	}()
	b.wait(fmt.Sprintf("%s shows %q", pane, want), func() bool {
		got = evaluate[[]string](b, `[...document.querySelectorAll(%q)].map((field) => field.value)`, pane+" .text")
		return slices.Equal(got, want)
	})
}

// state is what a pane says of its connection: connecting, loading, live or offline.
func (b *browser) state(pane string) string {
	return evaluate[string](b, `document.querySelector(%q).dataset.state ?? ""`, pane)
}

func (b *browser) text(selector string) string {
	return evaluate[string](b, `document.querySelector(%q).textContent`, selector)
}

func (b *browser) is(selector string) bool {
	return evaluate[bool](b, `document.querySelector(%q) !== null`, selector)
}

func evaluate[T any](b *browser, script, selector string) T {
	b.Helper()
	value, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](fmt.Sprintf(script, selector)))
	require.NoError(b, err)
	return value
}
