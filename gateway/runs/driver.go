package runs

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/secondgate/secondgate/gateway/access"
)

// startTime is how long a worker may take to take a run.
const startTime = 5 * time.Second

// Driver hands runs to a worker. It fails if the worker does not take the run.
type Driver interface {
	Start(ctx context.Context, run Run, agent json.RawMessage) error
}

// Worker is where runs are sent, and where the worker reports.
type Worker struct {
	URL *url.URL
	// Token is sent to the worker, which sends it back with its report.
	Token string
	// Callback is the gateway's URL as the worker reaches it.
	Callback string
}

// ReportPath is where workers report.
const ReportPath = "/api/internal/agent-run-complete"

func (w *Worker) callback() string { return w.Callback + ReportPath }

// post sends a run. It follows no redirect: the token is for this worker alone.
func (w *Worker) post(ctx context.Context, client *http.Client, to *url.URL, body any) error {
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, to.String(), bytes.NewReader(text))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	if w.Token != "" {
		request.Header.Set("Authorization", "Bearer "+w.Token)
	}
	answer, err := client.Do(request)
	if err != nil {
		return withoutURL(err)
	}
	defer answer.Body.Close()
	_, _ = io.Copy(io.Discard, answer.Body) // it may be cut: the status counts
	if answer.StatusCode < 200 || answer.StatusCode > 299 {
		return fmt.Errorf("it answered with status %d", answer.StatusCode)
	}
	return nil
}

// withoutURL is an error without the operator's URL, which may hold a secret.
func withoutURL(err error) error {
	if failed, ok := err.(*url.Error); ok {
		return failed.Err
	}
	return err
}

func newClient(u *url.URL) *http.Client { return access.Client(u, true, startTime) }
