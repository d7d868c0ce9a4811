package main

import (
	"bufio"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/backends/sqlite"
	"github.com/secondgate/secondgate/gateway"
	"github.com/secondgate/secondgate/protocol"
)

func read(t *testing.T, path ...string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(append([]string{"..", ".."}, path...)...))
	require.NoError(t, err)
	return string(text)
}

// TestProtocolDocument holds docs/protocol.md to the code: it has every code with its numbers,
// every request with its fields, every message and reason, and its numbers are the limits in force.
func TestProtocolDocument(t *testing.T) {
	t.Parallel()
	text := read(t, "docs", "protocol.md")
	has := func(want string) {
		t.Helper()
		require.Contains(t, text, want)
	}
	for _, c := range protocol.Codes {
		retryable := map[bool]string{true: "yes", false: "no"}[c.Retryable]
		has(fmt.Sprintf("| `%s` | %d | %d | %s | %s |", c.Code, c.HTTP, c.Close, retryable, c.Says))
	}
	for _, request := range requestTypes {
		has(fmt.Sprintf("### `%s`", request))
		has(fmt.Sprintf("`%s`", request.Response()))
	}
	for _, m := range []protocol.Type{
		protocol.TypeWelcome, protocol.TypeChange, protocol.TypeBookmark, protocol.TypeSettled, protocol.TypeReset,
		protocol.TypeGoAway, protocol.TypeError, protocol.TypeAgentUpdate,
	} {
		has(fmt.Sprintf("### `%s`", m))
	}
	for _, reason := range []string{protocol.ResetExpired, protocol.ResetTooMuch, protocol.ResetLost} {
		has(fmt.Sprintf("| `%s` |", reason))
	}
	has("`" + protocol.Subprotocol + "`")
	limits, err := json.Marshal(protocol.DefaultLimits)
	require.NoError(t, err)
	has(string(limits))
}

var requestTypes = []protocol.Type{
	protocol.TypeList, protocol.TypeQuery, protocol.TypeDoc, protocol.TypeInsert, protocol.TypeUpdate, protocol.TypeDelete,
	protocol.TypeUpsert, protocol.TypeBatch, protocol.TypeSubscribe, protocol.TypeUnsubscribe, protocol.TypePing,
	protocol.TypeAgents, protocol.TypeAgentTrigger, protocol.TypeAgentFollow,
}

var jsonLine = regexp.MustCompile("(?m)^[<>] (.+)$")

// TestProtocolExamples: each example line that the gateway sends (<) is one of the shared vectors,
// byte for byte, and each that a client sends (>) is a request that the gateway understands.
func TestProtocolExamples(t *testing.T) {
	t.Parallel()
	vectors := map[string]string{}
	require.NoError(t, json.Unmarshal([]byte(read(t, "protocol", "testdata", "messages.json")), &vectors))
	known := map[string]bool{}
	for _, v := range vectors {
		known[v] = true
	}
	asked := map[protocol.Type]bool{}
	lines := jsonLine.FindAllStringSubmatch(read(t, "docs", "protocol.md"), -1)
	require.NotEmpty(t, lines)
	for _, line := range lines {
		if strings.HasPrefix(line[0], "<") {
			require.True(t, known[line[1]], "no vector of messages.json: %s", line[1])
			continue
		}
		r, err := protocol.DecodeRequest([]byte(line[1]), protocol.DefaultLimits)
		require.NoError(t, err, line[1])
		asked[r.Type] = true
	}
	for _, request := range requestTypes {
		require.True(t, asked[request], "%s has no example", request)
	}
}

var link = regexp.MustCompile(`\]\(([^)#:]+)(#[^)]*)?\)`)

// TestLinks: every file that a document of the project links to is there.
func TestLinks(t *testing.T) {
	t.Parallel()
	for _, document := range []string{
		"README.md", "CHANGELOG.md", "docs/protocol.md", "docs/design.md", "docs/conformance.md",
		"docs/agents.md", "docs/browser.md",
	} {
		for _, l := range link.FindAllStringSubmatch(read(t, document), -1) {
			_, err := os.Stat(filepath.Join("..", "..", filepath.Dir(document), l[1]))
			require.NoError(t, err, "%s links to %s", document, l[1])
		}
	}
}

// TestReadmeCommand: the README prints the command that the page does, which web/e2e/demo.test.ts runs.
func TestReadmeCommand(t *testing.T) {
	t.Parallel()
	_, command, found := strings.Cut(read(t, "web", "demo", "src", "index.html"), "<code>")
	require.True(t, found)
	command, _, found = strings.Cut(command, "</code>")
	require.True(t, found)
	require.Contains(t, read(t, "README.md"), command)
}

var httpBlock = regexp.MustCompile("(?s)```http\n(.*?)\n```")

// TestProtocolHTTP has the HTTP exchanges of docs/protocol.md with a gateway, one after the other,
// and compares the answers with those that are printed: status, the headers that are named, and
// body. Ids, times, revisions and cursors may differ, and a later request sends those of the run in
// place of the printed ones.
func TestProtocolHTTP(t *testing.T) {
	t.Parallel()
	c := &conversation{T: t, url: serveDocs(t), actual: map[string]string{}}
	blocks := httpBlock.FindAllStringSubmatch(read(t, "docs", "protocol.md"), -1)
	require.Greater(t, len(blocks), 10)
	for _, block := range blocks {
		request, answer, found := strings.Cut(block[1], "\nHTTP/1.1 ")
		require.True(t, found, block[1])
		c.exchange(request, answer)
	}
}

// serveDocs serves an empty database, to the origin that the examples name too.
func serveDocs(t *testing.T) string {
	t.Helper()
	b, err := sqlite.Open(t.Context(), sqlite.Options{Path: filepath.Join(t.TempDir(), "data.db")})
	require.NoError(t, err)
	server := httptest.NewUnstartedServer(nil)
	config := gateway.DefaultConfig()
	config.Hosts, config.Origins = []string{server.Listener.Addr().String()}, []string{"https://app.example"}
	g, err := gateway.New(t.Context(), b, config)
	require.NoError(t, err)
	server.Config.Handler = g.Handler(nil)
	server.Start()
	t.Cleanup(func() {
		g.Shutdown(expired())
		server.Close()
		require.NoError(t, b.Close())
	})
	return server.URL
}

type conversation struct {
	*testing.T
	url    string
	actual map[string]string // what differs, by what is printed
}

// message is a request or an answer: a first line, headers, a body.
type message struct {
	first   string
	headers [][2]string
	body    string
}

func parseMessage(text string) (m message) {
	head, body, _ := strings.Cut(strings.TrimSpace(text), "\n\n")
	lines := strings.Split(head, "\n")
	m.first, m.body = lines[0], body
	for _, line := range lines[1:] {
		name, value, _ := strings.Cut(line, ": ")
		m.headers = append(m.headers, [2]string{name, value})
	}
	return m
}

func (c *conversation) exchange(request, printed string) {
	c.Helper()
	asked, want := parseMessage(c.ofThisRun(request)), parseMessage(printed)
	stream := strings.Contains(printed, "text/event-stream")
	var got string
	for range 100 { // a stream may open before the last write has reached it: then it comes after the first id
		answer := c.do(asked)
		got = strings.TrimSpace(answer.read(strings.Count(want.body, "\n\n")+1, stream))
		require.Equal(c, want.first, answer.status, request)
		for _, h := range want.headers {
			c.same(h[1], answer.header.Get(h[0]), request+": "+h[0])
		}
		if !stream || masked(got) == masked(want.body) {
			break
		}
	}
	if strings.Contains(want.body, `"message":"…"`) {
		got = sentence.ReplaceAllString(got, `"message":"…"`)
	}
	c.same(want.body, got, request)
}

var (
	sentence = regexp.MustCompile(`"message":".+"`)
	printed  = regexp.MustCompile(`20\d\d-\d\d-\d\dT[0-9:.]+Z|[A-Za-z0-9_-]{16,}`)
	varies   = regexp.MustCompile(`[0-9A-Z]`)
)

// masked is a text without what differs from run to run: times, and long words that are not all in
// lower case, as codes are. One revision in forty has no digit.
func masked(text string) string {
	return printed.ReplaceAllStringFunc(text, func(word string) string {
		if varies.MatchString(word) {
			return "X"
		}
		return word
	})
}

// same compares what is printed with what has come, and notes what stands for what.
func (c *conversation) same(want, got, what string) {
	c.Helper()
	require.Equal(c, masked(want), masked(got), what)
	words := printed.FindAllString(got, -1)
	for i, word := range printed.FindAllString(want, -1) {
		c.actual[word] = words[i]
	}
}

func (c *conversation) ofThisRun(text string) string {
	return printed.ReplaceAllStringFunc(
		text,
		func(word string) string { return cmp.Or(c.actual[word], word) },
	)
}

type httpAnswer struct {
	*testing.T
	status string
	header http.Header
	body   io.ReadCloser
}

func (c *conversation) do(m message) httpAnswer {
	c.Helper()
	line := strings.Fields(m.first)
	require.Len(c, line, 3, m.first)
	q, err := http.NewRequestWithContext(c.Context(), line[0], c.url+line[1], strings.NewReader(m.body))
	require.NoError(c, err)
	for _, h := range m.headers {
		q.Header.Set(h[0], h[1])
	}
	answer, err := http.DefaultTransport.RoundTrip(q)
	require.NoError(c, err)
	return httpAnswer{c.T, answer.Status, answer.Header, answer.Body}
}

// read reads the body to its end, or so many blocks of a stream.
func (a httpAnswer) read(blocks int, stream bool) string {
	a.Helper()
	defer func() { _ = a.body.Close() }()
	if !stream {
		text, err := io.ReadAll(a.body)
		require.NoError(a, err)
		return string(text)
	}
	var text strings.Builder
	lines := bufio.NewReader(a.body)
	for range blocks {
		for line := ""; line != "\n"; {
			var err error
			line, err = lines.ReadString('\n')
			require.NoError(a, err, text.String())
			text.WriteString(line)
		}
	}
	return text.String()
}

var curlLine = regexp.MustCompile(`(?m)^curl (?:-N )?'?http://127\.0\.0\.1:8080([^ '\n]+)'?(?: -d '(.+)')?$`)

// TestReadmeCurl sends what the README's curl commands send, as curl does.
func TestReadmeCurl(t *testing.T) {
	t.Parallel()
	c := &conversation{T: t, url: serveDocs(t)}
	text := read(t, "README.md")
	lines := curlLine.FindAllStringSubmatch(text, -1)
	require.Len(t, lines, strings.Count(text, "\ncurl "))
	var answers []string
	for _, line := range lines {
		m := message{first: "GET " + line[1] + " HTTP/1.1"}
		if line[2] != "" {
			m.first, m.body = "POST "+line[1]+" HTTP/1.1", line[2]
			m.headers = [][2]string{{"Content-Type", "application/x-www-form-urlencoded"}}
		}
		answer := c.do(m)
		require.Contains(t, []string{"200 OK", "201 Created"}, answer.status)
		answers = append(answers, answer.read(1, strings.HasSuffix(line[1], "/stream")))
	}
	require.Contains(t, answers[len(answers)-1], "From curl")
}
