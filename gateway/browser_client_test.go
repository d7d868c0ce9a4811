package gateway_test

import (
	"context"
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

// clientPage behaves as today's clients do, including what they do wrong. It hears unnamed events
// only. Of several tabs the one that has the lock has the stream, tells the others, and keeps the
// lock for life; the next one opens a stream without an id. A collection ignores updates of what it
// lacks, a single document ignores inserts. Nobody looks at a status: any JSON without docs is an
// empty list. What it counts in "seen" is for the test and changes nothing.
const clientPage = `<!doctype html><title>a client of today</title><script>
const data = new URLSearchParams(location.search).get("data"), url = data + "/stream";
const rows = new Map(), single = new Map(), answers = [];
const seen = { opened: 0, broken: 0, dead: 0, events: 0, resets: 0 };
const bus = new BroadcastChannel(url);
bus.onmessage = ({ data }) => hear(data);
navigator.locks.request(url, () => new Promise(() => {
  const source = new EventSource(url);
  source.onmessage = ({ data }) => { bus.postMessage(data); hear(data); };
  source.onopen = () => seen.opened++;
  source.onerror = () => source.readyState === EventSource.CLOSED ? seen.dead++ : seen.broken++;
  source.addEventListener("reset", () => seen.resets++);
}));
function hear(text) {
  const m = JSON.parse(text);
  seen.events++;
  if (m.collection !== "c") return;
  if (m.type === "insert") rows.set(m.doc._id, m.doc);
  if (m.type === "update" && rows.has(m.docId)) rows.set(m.docId, m.doc);
  if (m.type === "update" && single.has(m.docId)) single.set(m.docId, m.doc);
  if (m.type === "delete" && single.has(m.docId)) single.set(m.docId, null);
  if (m.type === "delete") rows.delete(m.docId);
}
async function ask(method, path, body) {
  const headers = body ? { "Content-Type": "application/json" } : {};
  return await (await fetch(data + path, { method, headers, body: body && JSON.stringify(body) })).json();
}
async function list() {
  const docs = (await ask("GET", "?collection=c")).docs ?? [];
  rows.clear();
  for (const doc of docs) { rows.set(doc._id, doc); single.set(doc._id, doc); }
  answers.push("list of " + docs.length);
}
async function insert(fields) { answers.push("inserted " + ((await ask("POST", "", { collection: "c", data: fields })).doc?.by)); }
async function update(id, fields) { answers.push("updated " + ((await ask("PATCH", "/" + id, { collection: "c", data: fields })).doc?._id)); }
async function remove(id) { answers.push("deleted " + (await ask("DELETE", "/" + id + "?collection=c")).ok); }
const state = () => ({ seen, answers, rows: Object.fromEntries(rows), single: Object.fromEntries(single) });
</script>`

// tab is one such page.
type tab struct {
	t      *testing.T
	ctx    context.Context
	closed context.CancelFunc
}

// tabState is what a tab holds.
type tabState struct {
	Seen    struct{ Opened, Broken, Dead, Events, Resets int }
	Answers []string
	Rows    map[string]any
	Single  map[string]any
}

// openBrowser starts Chromium, which ci/setup.sh installs: without it the test fails.
func openBrowser(t *testing.T) context.Context {
	t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath("chromium"), chromedp.Flag("no-sandbox", true), chromedp.Flag("disable-gpu", true),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true))
	ctx, cancel := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	require.NoError(t, chromedp.Do(ctx), "is chromium installed? ci/setup.sh does it")
	return ctx
}

func (b *tab) run(script string) {
	b.t.Helper()
	_, err := chromedp.Run(b.ctx, chromedp.Evaluate[any](script+";0"))
	require.NoError(b.t, err)
}

func (b *tab) state() tabState {
	b.t.Helper()
	s, err := chromedp.Run(b.ctx, chromedp.Evaluate[tabState]("state()"))
	require.NoError(b.t, err)
	return s
}

// until waits until the tab's state is as it should be.
func (b *tab) until(what string, ok func(tabState) bool) tabState {
	b.t.Helper()
	s := b.state()
	wait(b.t, b.ctx, what, func() bool { s = b.state(); return ok(s) })
	return s
}

// answered runs a request of the page's and waits for what it makes of the answer.
func (b *tab) answered(script string) string {
	b.t.Helper()
	before := len(b.state().Answers)
	b.run(script)
	s := b.until("an answer to "+script, func(s tabState) bool { return len(s.Answers) > before })
	return s.Answers[before]
}

// wait looks again and again until it is so.
func wait(t *testing.T, ctx context.Context, what string, ok func() bool) {
	t.Helper()
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	for !ok() {
		select {
		case <-again.C:
		case <-ctx.Done():
			t.Fatalf("%s: it did not come to that", what)
		}
	}
}

// lost is what a tab's copies have wrong, by document.
func (s tabState) lost(want map[string]any) (wrong []string) {
	for id, doc := range want {
		if !reflect.DeepEqual(s.Rows[id], doc) {
			wrong = append(wrong, fmt.Sprintf("%s is %v, not %v", id, s.Rows[id], doc))
		}
	}
	for id := range s.Rows {
		if want[id] == nil {
			wrong = append(wrong, id+" is gone")
		}
	}
	for id, doc := range s.Single {
		if !reflect.DeepEqual(want[id], doc) {
			wrong = append(wrong, fmt.Sprintf("%s by itself is %v, not %v", id, doc, want[id]))
		}
	}
	return wrong
}
