package client

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/secondgate/secondgate/protocol"
)

// Reply is an answer over HTTP, read to its end.
type Reply struct {
	Status int
	Header http.Header
	Body   string
}

// DataURL is where a scope's documents are at a gateway's base URL; parameters are query parameters
// in pairs.
func DataURL(base string, s protocol.Scope, docID string, parameters ...string) string {
	query := url.Values{"version": {s.Version()}}
	for i := 0; i+1 < len(parameters); i += 2 {
		query.Set(parameters[i], parameters[i+1])
	}
	path := fmt.Sprintf("%s/api/workspaces/%s/apps/%s/data", base, s.Workspace, s.App)
	if docID != "" {
		path += "/" + segment(docID)
	}
	return path + "?" + query.Encode()
}

// segment is an id as a part of a path: all that could be taken for a path is encoded.
func segment(id string) string {
	if strings.Trim(id, ".") == "" || id == "stream" ||
		id == "socket" { // clients and proxies resolve dots; the others are routes
		return fmt.Sprintf("%%%02x%s", id[0], url.PathEscape(id[1:]))
	}
	return url.PathEscape(id)
}

// Do makes one HTTP request and follows no redirect; headers are "Name: value".
func Do(ctx context.Context, method, address, body string, headers ...string) (Reply, error) {
	answer, err := roundTrip(ctx, method, address, body, headers)
	if err != nil {
		return Reply{}, err
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	return Reply{answer.StatusCode, answer.Header, strings.TrimSuffix(string(text), "\n")}, err
}

func roundTrip(ctx context.Context, method, address, body string, headers []string) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, method, address, nil)
	if err != nil {
		return nil, err
	}
	if body != "" {
		request.Body, request.ContentLength = io.NopCloser(strings.NewReader(body)), int64(len(body))
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		request.Header.Add(name, value)
	}
	return http.DefaultTransport.RoundTrip(request)
}

// StreamURL is the event stream of a scope; parameters are query parameters in pairs.
func StreamURL(base string, s protocol.Scope, parameters ...string) string {
	return strings.Replace(DataURL(base, s, "", parameters...), "/data?", "/data/stream?", 1)
}

// Body is a write's body. The data goes as it is written, right or wrong.
func Body(q protocol.Request) string {
	text := protocol.AppendString([]byte(`{"collection":`), q.Collection)
	if q.DocID != "" && q.Type == protocol.TypeInsert {
		text = protocol.AppendString(append(text, `,"docId":`...), q.DocID)
	}
	return string(append(append(append(text, `,"data":`...), q.Data...), '}'))
}
