package gateway_test

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/conformance"
	"github.com/secondgate/secondgate/gateway"
)

// A short random history of legacy clients: REST writers, and watchers that fold what EventSource
// hears, are cut, and come back with the last id, or without any as a second tab does. In the end
// every copy equals what REST lists.
//
// Where history is forgotten a client must heed resets, since nobody knows what was deleted;
// elsewhere these clients know no reset, as those of today. The race detector sees it over the model.
func TestStreamHistory(t *testing.T) {
	for name, h := range harnesses() {
		if testing.Short() && !isModel(h) {
			continue
		}
		t.Run(name, func(t *testing.T) { checkStreamHistory(t, h, false) })
		t.Run(name+"/forgetting", func(t *testing.T) { checkStreamHistory(t, h, true) })
	}
}

type sseHistory struct {
	t                      *testing.T
	ctx                    context.Context
	url                    string
	heedsResets            bool
	begun                  time.Time
	ended                  atomic.Bool
	writes, resumes, fresh atomic.Int64
	resets                 atomic.Int64
}

func checkStreamHistory(t *testing.T, h conformance.Harness, forget bool) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	b := h.Open(t)
	url := serve(t, b, func(c *gateway.Config) {
		c.LogBytes, c.StreamHeartbeat = 30_000, 200*time.Millisecond
	})
	r := &sseHistory{t: t, ctx: ctx, url: url, heedsResets: forget, begun: time.Now()}
	var writers, watchers sync.WaitGroup
	copies := make([]map[string]string, 8)
	for i := range copies {
		watchers.Go(func() { copies[i] = r.watch(uint64(i)) })
	}
	for i := range 4 {
		writers.Go(func() { r.write(uint64(i)) })
	}
	writers.Go(func() {
		for forget && r.writing() {
			time.Sleep(300 * time.Millisecond)
			h.Forget(t, b) // some cursors expire
		}
	})
	writers.Wait()
	r.ended.Store(true)
	(rest{t, url}).do("POST", dataPath, `{"collection":"c","docId":"last","data":{}}`)
	watchers.Wait()
	want := map[string]string{}
	for _, collection := range []string{"b", "c"} {
		for id, d := range (rest{t, url}).list(collection) {
			want[collection+"/"+id] = d
		}
	}
	t.Logf(
		"%d writes, %d resumes, %d fresh streams, %d resets, %d documents", r.writes.Load(), r.resumes.Load(),
		r.fresh.Load(), r.resets.Load(), len(want),
	)
	for i, docs := range copies {
		if !maps.Equal(want, docs) {
			require.Equal(t, want, docs, "watcher %d", i)
		}
	}
	require.True(t, r.enough())
}

// enough has happened to prove something.
func (r *sseHistory) enough() bool { return r.writes.Load() > 100 && r.resumes.Load() > 10 }

// writing lasts three seconds, on a busy machine until enough has happened.
func (r *sseHistory) writing() bool {
	took := time.Since(r.begun)
	return took < 3*time.Second || took < 2*time.Minute && !r.enough()
}

func (r *sseHistory) write(seed uint64) {
	dice := rand.New(rand.NewPCG(seed, 1))
	c := rest{r.t, r.url}
	for n := 0; r.writing(); n++ {
		collection, id := []string{"b", "c"}[dice.IntN(2)], fmt.Sprint("d", dice.IntN(30))
		body := fmt.Sprintf(`{"collection":%q,"docId":%q,"data":{"n":%d,"by":%d}}`, collection, id, n, seed)
		var a reply
		switch dice.IntN(4) {
		case 0:
			a = c.do("POST", dataPath, body)
		case 1, 2:
			a = c.do("PATCH", dataPath+"/"+id, body)
		default:
			if dice.IntN(2) == 0 {
				a = c.do("DELETE", dataPath+"/"+id+"?collection="+collection, "")
			}
		}
		if a.status >= 500 {
			r.t.Errorf("%d: %s", a.status, a.body)
		}
		if a.status/100 == 2 {
			r.writes.Add(1)
		}
	}
}

// recent is how far back a stream without an id begins.
const recent = 10 * time.Second

// watch follows until the last document has come.
func (r *sseHistory) watch(seed uint64) map[string]string {
	dice := rand.New(rand.NewPCG(seed, 2))
	docs, id, current := map[string]string{}, "", time.Now()
	last := "" // the id that a second tab gives up
	for r.ctx.Err() == nil {
		var headers []string
		if id != "" {
			headers = []string{"Last-Event-ID: " + id}
			r.resumes.Add(1)
		} else {
			r.fresh.Add(1)
		}
		w, err := tryStream(r.t, r.ctx, r.url+dataPath+"/stream", headers...)
		if err != nil || w.status != http.StatusOK {
			r.t.Errorf("watcher %d: %v", seed, err)
			return docs
		}
		if id == "" && last != "" && time.Since(current) > recent/2 {
			w.cut() // on a busy machine the copy may be older than what such a stream begins with
			id = last
			continue
		}
		done := r.follow(w, docs, time.Duration(20+dice.IntN(300))*time.Millisecond)
		w.cut()
		// The first id is where the stream begins: the copy is as old as before until the next one.
		if id = w.lastID; w.ids > 1 {
			last, current = id, time.Now()
		}
		if done {
			return docs
		}
		// A second tab takes over: it has the copy, and no id.
		if dice.IntN(6) == 0 && id != "reset" {
			id = ""
		}
	}
	return docs
}

// follow folds what comes until it is time; true when the last document has come, and an id after
// it.
func (r *sseHistory) follow(w *eventStream, docs map[string]string, d time.Duration) (done bool) {
	over := time.After(d)
	last := false
	for {
		select {
		case block, ok := <-w.in:
			if !ok {
				return false
			}
			b := eventOf(block)
			if b.event == "reset" {
				if r.heedsResets {
					clear(docs)
				}
				r.resets.Add(1)
			}
			foldInto(docs, []event{b})
			if b.id != "" {
				w.lastID = b.id
				w.ids++
			}
			_, last = docs["c/last"]
			if last && b.id != "" && b.id != "reset" {
				return true
			}
		case <-over:
			if !r.ended.Load() {
				return false
			}
			over = nil
		case <-r.ctx.Done():
			return false
		}
	}
}
