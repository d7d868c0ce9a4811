package gateway_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/backends/sqlite/sqlitetest"
	"github.com/secondgate/secondgate/gateway"
)

// scenario is one of the ways in which a client of today would lose data.
type scenario struct {
	name, says string
	change     func(*gateway.Config)
	play       func(w *world)
}

// scenarioTime bounds one scenario, its gateways included.
const scenarioTime = 2 * time.Minute

var scenarios = []scenario{
	{
		name: "reset", says: "after a reset, which these clients do not hear, every document and every deletion comes again",
		change: func(c *gateway.Config) { c.LogBytes = 20_000 },
		play: func(w *world) {
			b := w.open()
			w.backend.loseNext()
			w.change(10)
			b.until("a reset", func(s tabState) bool { return s.Seen.Resets == 1 })
			w.change(10)
			w.settle(b)

			w.proxy.hold() // whoever comes back waits, so that all of these are missed
			w.proxy.cut()
			w.pad = strings.Repeat("x", 40_000) // more than a catch-up may cost
			w.change(30)
			w.proxy.release()
			b.until("a reset", func(s tabState) bool { return s.Seen.Resets == 2 })
			w.pad = ""
			w.change(10)
			w.settle(b)
		},
	},
	{
		name: "second-tab", says: "a tab that takes the stream over, without an id, lacks nothing of what came between",
		play: func(w *world) {
			leader := w.open()
			for range 4 {
				next := w.tab()
				require.Equal(w, fmt.Sprint("list of ", len(w.want())), next.answered("list()"))
				w.change(5)
				w.settle(leader, next)
				w.proxy.hold()
				leader.closed()
				wait(w.T, w.ctx, "the next tab asks for the stream", func() bool { return w.proxy.held() > 0 })
				w.change(20) // nobody hears these
				w.proxy.release()
				w.settle(next)
				leader = next
			}
		},
	},
	{
		name: "passing-fault", says: "cuts, a database that is away and a gateway that stops end no stream for good",
		play: func(w *world) {
			b := w.open()
			// opened has something happen and waits until the stream has been opened so many times since.
			opened := func(times int, happens func()) {
				w.Helper()
				from := b.state().Seen.Opened
				happens()
				b.until("the stream has come back", func(s tabState) bool { return s.Seen.Opened >= from+times })
			}
			opened(1, func() {
				w.proxy.cut() // the network fails
				w.change(20)
			})

			w.backend.away(1 << 30) // the database is away
			written := w.later("while it was away")
			opened(2, w.proxy.cut) // it was answered, and closed
			w.backend.away(0)
			<-written
			w.change(5)

			ctx, cancel := context.WithTimeout(w.ctx, 30*time.Second)
			defer cancel()
			old := w.address
			opened(2, func() {
				w.gateway.Shutdown(ctx) // it stops, and is reached for a while
				w.start()
				require.NotEqual(w, old, w.address)
				w.change(20)
			})
			w.proxy.to(w.address)
			w.proxy.cut() // it ends
			w.settle(b)
			require.GreaterOrEqual(w, b.state().Seen.Broken, 4)
		},
	},
	{
		name: "list-in-outage", says: "what is asked while the database is away is answered when it is back",
		play: func(w *world) {
			b := w.open()
			before := b.state()
			w.backend.away(1 << 30)
			called := w.backend.calls()
			b.run(`list(); insert({ by: "page" }); update("d1", { n: -1 }); remove("d2")`)
			b.until("the changes, which are told although they are not answered", func(s tabState) bool {
				return s.Seen.Events >= before.Seen.Events+3
			})
			wait(w.T, w.ctx, "several tries", func() bool { return w.backend.calls() > called+8 })
			require.Equal(w, before.Answers, b.state().Answers, "it is answered while the database is away")
			w.backend.away(0)
			s := b.until("all answers", func(s tabState) bool { return len(s.Answers) == len(before.Answers)+4 })
			require.ElementsMatch(
				w, []string{fmt.Sprint("list of ", len(before.Rows)), "inserted page", "updated d1", "deleted true"},
				s.Answers[len(before.Answers):],
			)
			w.settle(b)
		},
	},
}

// TestBrowser plays what would lose changes to EventSource in Chromium, with a page that does as
// today's clients do. In the end the page's copies equal what REST lists.
func TestBrowser(t *testing.T) {
	browser := openBrowser(t)
	play := scenarios
	if testing.Short() {
		play = play[len(play)-1:]
	}
	for _, s := range play {
		t.Run(s.name, func(t *testing.T) {
			began := time.Now()
			w := newWorld(t, browser, s)
			s.play(w)
			t.Logf("%s: %d changes, 0 lost, %v", s.says, w.written, time.Since(began).Round(time.Millisecond))
		})
	}
}

// world is a gateway over SQLite, a proxy before it, and a page of an allowed origin.
type world struct {
	*testing.T
	ctx     context.Context
	browser context.Context
	backend *faulty
	proxy   *proxy
	page    *httptest.Server
	config  func(*gateway.Config)

	gateway *gateway.Gateway // the newest
	address string           // of it
	api     rest             // past the proxy

	living  []string // ids of documents
	made    int
	pad     string
	written int
}

func newWorld(t *testing.T, browser context.Context, s scenario) *world {
	ctx, cancel := context.WithTimeout(t.Context(), scenarioTime)
	t.Cleanup(cancel)
	w := &world{
		T: t, ctx: ctx, browser: browser, backend: newFaulty((sqlitetest.Harness{}).Open(t)),
		config: s.change,
	}
	w.proxy = newProxy(t)
	w.page = httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, _ *http.Request) {
		out.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(out, clientPage)
	}))
	t.Cleanup(w.page.Close)
	w.start()
	w.proxy.to(w.address)
	w.change(10)
	return w
}

// start starts a gateway over the same database. An older one answers on until the end, as far as
// it still does.
func (w *world) start() {
	server := httptest.NewUnstartedServer(nil)
	w.address = server.Listener.Addr().String()
	config := gateway.DefaultConfig()
	config.Hosts = []string{w.address, w.proxy.address()}
	config.Origins = []string{w.page.URL}
	config.Log = slog.New(slog.NewTextHandler(io.Discard, nil))
	if w.config != nil {
		w.config(&config)
	}
	g, err := gateway.New(w.ctx, w.backend, config)
	require.NoError(w, err)
	server.Config.Handler = g.Handler(nil)
	server.Start()
	w.Cleanup(func() {
		w.proxy.cut()
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		g.Shutdown(ctx)
		server.Close()
	})
	w.gateway, w.api = g, rest{w, server.URL}
}

// tab opens the page in a tab of its own.
func (w *world) tab() *tab {
	w.Helper()
	ctx, cancel := chromedp.NewContext(w.browser)
	var once sync.Once
	closed := func() { once.Do(cancel) }
	w.Cleanup(closed)
	query := url.Values{"data": {"http://" + w.proxy.address() + dataPath}}
	require.NoError(w, chromedp.Do(ctx, chromedp.Navigate(w.page.URL+"/?"+query.Encode())))
	ctx, stop := context.WithTimeout(ctx, scenarioTime)
	w.Cleanup(stop)
	return &tab{w.T, ctx, closed}
}

// open opens the first tab, which has the stream and a list.
func (w *world) open() *tab {
	w.Helper()
	b := w.tab()
	b.until("a stream", func(s tabState) bool { return s.Seen.Opened == 1 })
	require.Equal(w, fmt.Sprint("list of ", len(w.want())), b.answered("list()"))
	return b
}

// change inserts, updates and deletes documents, past the proxy: about ten changes for every three
// rounds.
func (w *world) change(rounds int) {
	w.Helper()
	for range rounds {
		id := fmt.Sprint("d", w.made)
		w.made++
		w.write("POST", "", fmt.Sprintf(`{"collection":"c","docId":%q,"data":{"n":0,"pad":%q}}`, id, w.pad), 201)
		w.living = append(w.living, id)
		w.write(
			"PATCH", "/"+w.living[len(w.living)/2], fmt.Sprintf(`{"collection":"c","data":{"n":%d}}`, w.made), 200,
		)
		w.write("PATCH", "/"+id, `{"collection":"c","data":{"late":true}}`, 200)
		if w.made%3 == 0 && len(w.living) > 6 { // d0 to d2 stay
			w.write("DELETE", "/"+w.living[3]+"?collection=c", "", 200)
			w.living = append(w.living[:3:3], w.living[4:]...)
		}
	}
}

func (w *world) write(method, path, body string, status int) {
	w.Helper()
	a := w.api.do(method, dataPath+path, body)
	require.Equal(w, status, a.status, a.body)
	w.written++
}

// later inserts a document in the background.
func (w *world) later(text string) (done chan struct{}) {
	done = make(chan struct{})
	w.written++
	api := w.api
	go func() { // ends with the request
		defer close(done)
		a, err := api.try("POST", dataPath, fmt.Sprintf(`{"collection":"c","data":{"text":%q}}`, text))
		if err != nil || a.status != 201 {
			w.Errorf("the write %s was refused: %d %s %v", text, a.status, a.body, err)
		}
	}()
	return done
}

// want is the collection as REST lists it.
func (w *world) want() map[string]any {
	w.Helper()
	docs := map[string]any{}
	for id, text := range w.api.list("c") {
		var doc any
		require.NoError(w, json.Unmarshal([]byte(text), &doc))
		docs[id] = doc
	}
	return docs
}

// settle writes a last document, so that nothing that is wrong comes after all was well.
func (w *world) settle(tabs ...*tab) {
	w.Helper()
	w.change(1)
	w.same(tabs...)
}

// same waits until the tabs' copies equal the list.
func (w *world) same(tabs ...*tab) {
	w.Helper()
	want := w.want()
	for _, b := range tabs {
		var wrong []string
		defer func() {
			if w.Failed() {
				w.Logf("%d documents are wrong: %.2000s", len(wrong), strings.Join(wrong, "\n"))
			}
		}()
		s := b.until("the copy is the list", func(s tabState) bool { wrong = s.lost(want); return len(wrong) == 0 })
		require.Zero(w, s.Seen.Dead, "the stream is dead for good")
	}
}
