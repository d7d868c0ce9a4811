package gateway_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/conformance/client"
	"github.com/secondgate/secondgate/gateway"
	"github.com/secondgate/secondgate/gateway/runs"
)

// workerStub is a worker that notes what it is sent, and answers with a status.
type workerStub struct {
	*testing.T
	server *httptest.Server

	mu     sync.Mutex
	got    []string // method, path, authorization and body
	status int
	taken  func(id string) // is called before it answers
}

func newWorkerStub(t *testing.T) *workerStub {
	w := &workerStub{T: t, status: 200}
	w.server = httptest.NewServer(w)
	t.Cleanup(w.server.Close)
	return w
}

func (w *workerStub) ServeHTTP(to http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.got = append(w.got, r.Method+" "+r.URL.Path, r.Header.Get("Authorization"), string(body))
	var run struct{ RunID string }
	_ = json.Unmarshal(body, &run)
	if w.taken != nil {
		w.taken(run.RunID)
	}
	to.Header().Set("Location", "/elsewhere")
	to.WriteHeader(w.status)
}

// sent is what the worker was sent last.
func (w *workerStub) sent() (request, authorization string, body map[string]any) {
	w.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	require.Len(w, w.got, 3, "it is sent one request")
	require.NoError(w, json.Unmarshal([]byte(w.got[2]), &body))
	request, authorization, w.got = w.got[0], w.got[1], nil
	return request, authorization, body
}

// hands has a gateway hand runs to a worker.
func (w *workerStub) hands(make func(runs.Worker) runs.Driver) func(*gateway.Config) {
	return func(c *gateway.Config) {
		withAgents(c)
		u, _ := url.Parse(w.server.URL + "/base")
		c.Agents.Worker = make(runs.Worker{URL: u, Token: internalToken, Callback: "http://gate.example"})
	}
}

func webhook(w runs.Worker) runs.Driver { return runs.NewWebhook(w) }

func second(w runs.Worker) runs.Driver {
	return runs.NewSecond(w, runs.Runtime{ID: "opencode", Model: "m", Params: json.RawMessage(`{"p":1}`)})
}

const toolAgent = `{"agents":[{"id":"e1","name":"Enricher","systemPrompt":"Do it.","dataCollections":["leads"],"tools":[
	{"type":"builtin","name":"web","enabled":true},{"type":"builtin","name":"off"},{"type":"custom","name":"c","enabled":true}]}]}`

// TestWorkerRequests: the one request for each run, of both kinds of workers, as §11 and §14 have them.
func TestWorkerRequests(t *testing.T) {
	t.Parallel()
	tools := `[{"type":"builtin","name":"web","enabled":true},{"type":"builtin","name":"off"},{"type":"custom","name":"c","enabled":true}]`
	for name, row := range map[string]struct {
		make       func(runs.Worker) runs.Driver
		path, body string
	}{
		"webhook": {webhook, "/base", `{"runId":"RUN","workspaceId":"w","appId":"a","sourceVersion":"draft","prompt":"Look up each lead.",
			"callbackUrl":"http://gate.example/api/internal/agent-run-complete","agent":{"id":"e1","name":"Enricher",
			"systemPrompt":"Do it.","dataCollections":["leads"],"tools":` + tools + `}}`},
		"second": {second, "/base/sessions/a__agent__RUN/agent-run", `{"runId":"RUN","prompt":"Look up each lead.","systemPrompt":"Do it.",
			"agentConfig":{"id":"e1","name":"Enricher","systemPrompt":"Do it.","dataCollections":["leads"],"tools":` + tools + `},
			"allowedTools":["web"],"runtimeId":"opencode","runtimeModel":"m","runtimeParams":{"p":1},"workspaceId":"w","appId":"a",
			"sourceVersion":"draft","callbackUrl":"http://gate.example/api/internal/agent-run-complete"}`},
	} {
		w := newWorkerStub(t)
		a := &agents{t, serve(t, harnesses()["model"].Open(t), w.hands(row.make))}
		require.Equal(t, 200, a.person(creator, "PATCH", appPath+"/agents", toolAgent).Status)
		id := a.created(creator, order)
		a.started(creator, id)
		require.Equal(t, "streaming", a.shown(creator, id, "").Status, name)
		request, authorization, body := w.sent()
		path, want := row.path, row.body
		for _, text := range []*string{&path, &want} {
			*text = strings.ReplaceAll(*text, "RUN", id)
		}
		require.Equal(t, "POST "+path, request)
		require.Equal(t, "Bearer "+internalToken, authorization)
		got, _ := json.Marshal(body)
		require.JSONEq(t, want, string(got), name)
		require.Empty(t, a.claim(""), "nobody else gets it")
	}
}

// TestWorkerRefuses: a run that no worker took has failed, and whoever started it is told.
func TestWorkerRefuses(t *testing.T) {
	t.Parallel()
	for name, h := range harnesses() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorkerStub(t)
			a := &agents{t, serve(t, h.Open(t), w.hands(webhook))}
			a.approves()
			for _, status := range []int{500, 401, 302, 0} {
				if w.status = status; status == 0 {
					w.server.Close()
				}
				id := a.created(creator, order)
				reply := a.person(creator, "POST", runsPath+"/"+id+"/stream?startOnly=1", "")
				require.Equal(t, 502, reply.Status, reply.Body)
				require.Contains(t, reply.Body, `"error":"failed_to_start_agent"`)
				require.NotContains(t, reply.Body, "127.0.0.1")
				got := a.shown(creator, id, "?summary=1")
				require.Equal(t, "failed", got.Status)
				require.Equal(t, map[string]any{"error": "failed_to_start_agent"}, got.Result)
				a.says(
					a.person(creator, "POST", runsPath+"/"+id+"/stream?startOnly=1", ""),
					200,
					`{"status":"already_started"}`,
				)
				a.auditTells(id, "created", "started", "failed")
				if status != 0 {
					w.sent()
				}
			}
		})
	}
}

// TestEndComesAfterTheAnswer: a worker that reports before it has answered ends the run 250 ms after whoever
// started it was told, on a gateway that had no part in it.
func TestEndComesAfterTheAnswer(t *testing.T) {
	t.Parallel()
	for name, h := range harnesses() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorkerStub(t)
			backend := h.Open(t)
			a := &agents{t, serve(t, backend, w.hands(webhook))}
			b := &agents{t, serve(t, h.Reopen(t, backend), withAgents)}
			a.approves()
			reported := make(chan *client.Reply, 1)
			w.taken = func(id string) {
				go func() {
					reply, err := client.Do(
						b.Context(),
						"POST",
						b.url+"/api/internal/agent-run-complete",
						`{"runId":"`+id+`","status":"completed","result":"x"}`,
						"Authorization: Bearer "+internalToken,
					)
					if err != nil {
						reply.Body = err.Error()
					}
					reported <- &reply
				}()
			}
			hears := b.listens(creator)
			id := a.created(creator, order)
			a.started(creator, id)
			told := time.Now()
			require.NotEqual(t, "completed", a.shown(creator, id, "").Status)
			require.GreaterOrEqual(
				t,
				hears.end(id).Sub(told),
				200*time.Millisecond,
				"the test heard the answer a little later",
			)
			require.Equal(t, 200, (<-reported).Status)
			w.sent()
		})
	}
}
