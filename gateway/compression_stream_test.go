package gateway_test

import (
	"bufio"
	"compress/gzip"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/backends/model"
	"github.com/secondgate/secondgate/conformance/client"
	"github.com/secondgate/secondgate/gateway"
)

// TestCompressedStream: an event stream whose client takes gzip is told the same in fewer bytes, each
// change when it comes, and ends as gzip does when the gateway stops.
func TestCompressedStream(t *testing.T) {
	t.Parallel()
	server := httptest.NewUnstartedServer(nil)
	config := gateway.DefaultConfig()
	config.Hosts, config.Log = []string{server.Listener.Addr().String()}, slog.New(slog.DiscardHandler)
	g, err := gateway.New(t.Context(), model.New(model.Options{PreImage: -1, Break: -1}), config)
	require.NoError(t, err)
	server.Config.Handler = g.Handler(nil)
	server.Start()
	t.Cleanup(server.Close)
	c := newCompressions(t)
	c.url = server.URL

	plain, packed := c.stream("identity"), c.stream("gzip;q=0.5, br")
	require.Empty(t, plain.answer.Header.Get("Content-Encoding"))
	require.Equal(t, "gzip", packed.answer.Header.Get("Content-Encoding"))
	require.Equal(t, []string{"Origin", "Accept-Encoding"}, plain.answer.Header.Values("Vary"))
	require.Empty(t, c.stream("gzip;q=0").answer.Header.Get("Content-Encoding"))

	c.burst(50)
	plain.changes(50)
	packed.changes(50)
	t.Logf("50 changes: %d bytes, compressed %d", plain.bytes.Load(), packed.bytes.Load())
	require.Less(t, packed.bytes.Load(), plain.bytes.Load()*3/10)

	g.Shutdown(context.Background())
	for _, s := range []*countedStream{plain, packed} {
		rest, err := io.ReadAll(s.text)
		require.NoError(t, err)
		require.Contains(t, string(rest), "retry: ")
	}
}

// TestStreamCompressionOff: a gateway that compresses on sockets alone tells streams plain text.
func TestStreamCompressionOff(t *testing.T) {
	t.Parallel()
	c := newCompressions(t, func(c *gateway.Config) { c.Compression = gateway.CompressSockets })
	answer := c.stream("gzip").answer
	require.Empty(t, answer.Header.Get("Content-Encoding"))
	require.Equal(t, []string{"Origin"}, answer.Header.Values("Vary"))
}

// countedStream is an event stream whose bytes are counted before they are read as gzip.
type countedStream struct {
	*testing.T
	answer *http.Response
	bytes  atomic.Int64
	text   *bufio.Reader
}

// stream opens a stream and reads its first event.
func (c *compressions) stream(encoding string) *countedStream {
	request, err := http.NewRequestWithContext(
		c.Context(),
		http.MethodGet,
		client.StreamURL(c.url, c.scope),
		nil,
	)
	require.NoError(c, err)
	request.Header.Set("Accept-Encoding", encoding)
	s := &countedStream{T: c.T}
	s.answer, err = http.DefaultClient.Do(request)
	require.NoError(c, err)
	c.Cleanup(func() { _ = s.answer.Body.Close() })
	body := io.TeeReader(s.answer.Body, s)
	if s.answer.Header.Get("Content-Encoding") == "gzip" {
		body, err = gzip.NewReader(body)
		require.NoError(c, err)
	}
	s.text = bufio.NewReader(body)
	s.until("id: ")
	return s
}

// Write counts what came.
func (s *countedStream) Write(b []byte) (int, error) {
	s.bytes.Add(int64(len(b)))
	return len(b), nil
}

// until reads up to a line that begins so.
func (s *countedStream) until(prefix string) {
	s.Helper()
	for line := ""; !strings.HasPrefix(line, prefix); {
		var err error
		line, err = s.text.ReadString('\n')
		require.NoError(s, err)
	}
}

func (s *countedStream) changes(n int) {
	s.Helper()
	for range n {
		s.until("data: ")
	}
}
