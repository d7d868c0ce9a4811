package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/conformance/client"
)

// TestExampleWorker has the worker of examples/agent-worker carry out a run: it claims, reads,
// writes, reports.
func TestExampleWorker(t *testing.T) {
	t.Parallel()
	token := strings.Repeat("w", 32)
	o := operate(
		t,
		[]string{"INTERNAL_API_TOKEN=" + token},
		"--backend",
		"sqlite:"+filepath.Join(t.TempDir(), "x.db"),
	)
	const app = "/api/workspaces/w/apps/a"
	ask := func(status int, method, path, body string) string {
		t.Helper()
		reply, err := client.Do(t.Context(), method, o.url+app+path, body)
		require.NoError(t, err)
		require.Equal(t, status, reply.Status, reply.Body)
		return reply.Body
	}
	ask(200, "PATCH", "/agents", anAgent)
	ask(200, "POST", "/publish", "")
	for range 3 {
		ask(201, "POST", "/data", `{"collection":"leads","data":{"score":1}}`)
	}
	var run struct{ RunID, Status, Result string }
	require.NoError(
		t,
		json.Unmarshal([]byte(ask(201, "POST", "/agent-runs", `{"agentId":"e1","prompt":"Count."}`)), &run),
	)
	ask(200, "POST", "/agent-runs/"+run.RunID+"/stream?startOnly=1", "")

	worker := exec.Command("node", "../../examples/agent-worker/worker.mjs", o.url, "--once")
	worker.Env = append(os.Environ(), "INTERNAL_API_TOKEN="+token)
	out := &lockedBuffer{}
	worker.Stdout, worker.Stderr = out, out
	require.NoError(t, worker.Start())
	ended := make(chan error, 1)
	go func() { ended <- worker.Wait() }()
	select {
	case err := <-ended:
		require.NoError(t, err, out.String())
	case <-time.After(time.Minute):
		_ = worker.Process.Kill()
		<-ended
		t.Fatal("the worker did not end: " + out.String())
	}
	require.NoError(
		t,
		json.Unmarshal([]byte(ask(200, "GET", "/agent-runs/"+run.RunID+"?summary=1", "")), &run),
	)
	require.Equal(t, "completed", run.Status, out.String())
	require.Equal(t, `Counted {"leads":3}`, run.Result)
	require.Contains(
		t,
		ask(200, "GET", "/data?collection=leads", ""),
		`"asked":"Count.","documents":3,"kind":"summary"`,
	)
	ask(200, "POST", "/data/undo", `{"changeSet":"`+run.RunID+`"}`)
	require.NotContains(t, ask(200, "GET", "/data?collection=leads", ""), "summary")
}

// TestWorkerRefusals: flags about workers that do not go together end the start with a sentence.
func TestWorkerRefusals(t *testing.T) {
	t.Parallel()
	for says, flags := range map[string][]string{
		"the value of --worker is no mode":           {"--worker", "other=x"},
		"the URL of --worker webhook= cannot":        {"--worker", "webhook=ftp://x"},
		"the URL of --worker second= cannot":         {"--worker", "second=http://u:canary@x"},
		"the URL of --worker-callback cannot be use": {"--worker-callback", "x"},
		"--worker second= needs --worker-runtime":    {"--worker", "second=http://x"},
		"a JSON object such as {}": {
			"--worker", "second=http://x", "--worker-runtime", "opencode", "--worker-model", "m", "--worker-params", "7",
		},
		"are for --worker second=URL":            {"--worker", "webhook=http://x", "--worker-model", "m"},
		"--run-time-limit is 1ms: it must be at": {"--run-time-limit", "1ms"},
	} {
		out, err := secondgate(t, nil, append([]string{
			"serve", "--listen", "127.0.0.1:0", "--admin", "", "--backend", "sqlite:" + filepath.Join(t.TempDir(), "x.db"),
		}, flags...)...)
		require.Error(t, err, says)
		require.Contains(t, out, says)
		require.NotContains(t, out, "canary")
	}
}
