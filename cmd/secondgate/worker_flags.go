package main

import (
	"encoding/json"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/secondgate/secondgate/gateway/runs"
)

// workerFlags is who runs agents. Its flags are serve's.
type workerFlags struct {
	Worker         string        `help:"Who runs agents: none (workers claim runs over the API), webhook=URL (gets each run) or second=URL (a worker of Second)." default:"none" placeholder:"MODE"`
	WorkerCallback string        `help:"URL of the gateway as the worker reaches it; by default the address that it serves on." placeholder:"URL"`
	WorkerRuntime  string        `help:"Runtime of --worker second: claude-code, codex-cli or opencode." placeholder:"ID"`
	WorkerModel    string        `help:"Model of --worker second." placeholder:"MODEL"`
	WorkerParams   string        `help:"Parameters of the runtime of --worker second: a JSON object." placeholder:"JSON"`
	RunTimeLimit   time.Duration `help:"How long a run of an agent may take before it has failed." default:"1h"`

	runtime   runs.Runtime
	workerURL *url.URL // nil: none
}

// runtimes are those that a worker of Second has.
var runtimes = []string{"claude-code", "codex-cli", "opencode"}

// checkWorker fails on flags that cannot be meant.
func (c *workerFlags) checkWorker() (err error) {
	if c.RunTimeLimit < time.Second {
		return badSetting("--run-time-limit is %v: it must be at least 1s, such as 1h", c.RunTimeLimit)
	}
	mode, target, _ := strings.Cut(c.Worker, "=")
	if mode != "second" && c.WorkerRuntime+c.WorkerModel+c.WorkerParams != "" {
		return badSetting("--worker-runtime, --worker-model and --worker-params are for --worker second=URL")
	}
	if c.WorkerCallback != "" {
		if _, err := workerURL("--worker-callback", c.WorkerCallback); err != nil {
			return err
		}
	}
	switch {
	case c.Worker == "none":
		return nil
	case mode != "webhook" && mode != "second":
		return badSetting("the value of --worker is no mode: write none, webhook=URL or second=URL")
	}
	if c.workerURL, err = workerURL("--worker "+mode+"=", target); err != nil || mode == "webhook" {
		return err
	}
	return c.checkRuntime()
}

func (c *workerFlags) checkRuntime() error {
	var params map[string]any
	if !slices.Contains(runtimes, c.WorkerRuntime) || c.WorkerModel == "" ||
		json.Unmarshal([]byte(c.WorkerParams), &params) != nil || params == nil {
		return badSetting("--worker second= needs --worker-runtime (%s), --worker-model and --worker-params, "+
			"a JSON object such as {}", strings.Join(runtimes, ", "))
	}
	c.runtime = runs.Runtime{ID: c.WorkerRuntime, Model: c.WorkerModel, Params: json.RawMessage(c.WorkerParams)}
	return nil
}

func workerURL(flag, text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.User != nil || u.Fragment != "" {
		return nil, badSetting("the URL of %s cannot be used: write one such as http://127.0.0.1:4000, without a "+
			"password", flag)
	}
	return u, nil
}

// driver hands runs of the gateway at an address to the worker; nil where workers claim them.
func (c *serve) driver(at *net.TCPAddr) runs.Driver {
	if c.workerURL == nil {
		return nil
	}
	callback := strings.TrimSuffix(c.WorkerCallback, "/")
	if callback == "" {
		callback = c.scheme() + "://" + at.String()
	}
	worker := runs.Worker{URL: c.workerURL, Token: c.letIn.Token, Callback: callback}
	if strings.HasPrefix(c.Worker, "webhook=") {
		return runs.NewWebhook(worker)
	}
	return runs.NewSecond(worker, c.runtime)
}
