package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/gateway"
	"github.com/secondgate/secondgate/protocol"
)

func read(t *testing.T, path ...string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(append([]string{"..", ".."}, path...)...))
	require.NoError(t, err)
	return string(text)
}

// TestProtocolDocument holds docs/protocol.md to the code: it has every code with its numbers, every request with its
// fields, every message and reason, and its numbers are the limits in force.
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
		has(fmt.Sprintf("`%s%s`", request, protocol.ResponseSuffix))
	}
	for _, m := range []protocol.Type{
		protocol.TypeWelcome, protocol.TypeChange, protocol.TypeBookmark, protocol.TypeSettled, protocol.TypeReset,
		protocol.TypeGoAway, protocol.TypeError,
	} {
		has(fmt.Sprintf("### `%s`", m))
	}
	for _, reason := range []string{gateway.ResetExpired, gateway.ResetTooMuch, gateway.ResetLost} {
		has(fmt.Sprintf("| `%s` |", reason))
	}
	has("`" + protocol.Subprotocol + "`")
	limits, err := json.Marshal(protocol.DefaultLimits)
	require.NoError(t, err)
	has(string(limits))
}

var requestTypes = []protocol.Type{
	protocol.TypeList, protocol.TypeDoc, protocol.TypeInsert, protocol.TypeUpdate, protocol.TypeDelete,
	protocol.TypeUpsert, protocol.TypeBatch, protocol.TypeSubscribe, protocol.TypeUnsubscribe, protocol.TypePing,
}

var jsonLine = regexp.MustCompile("(?m)^[<>] (.+)$")

// TestProtocolExamples: each example line that the gateway sends (<) is one of the shared vectors, byte for byte, and
// each that a client sends (>) is a request that the gateway understands.
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
	for _, document := range []string{"README.md", "CHANGELOG.md", "docs/protocol.md", "docs/design.md"} {
		for _, l := range link.FindAllStringSubmatch(read(t, document), -1) {
			_, err := os.Stat(filepath.Join("..", "..", filepath.Dir(document), l[1]))
			require.NoError(t, err, "%s links to %s", document, l[1])
		}
	}
}

// TestReadmeCommand: the README prints the command that TestPage runs.
func TestReadmeCommand(t *testing.T) {
	t.Parallel()
	_, command, found := strings.Cut(read(t, "web", "try", "index.html"), "<pre><code>")
	require.True(t, found)
	command, _, found = strings.Cut(command, "</code></pre>")
	require.True(t, found)
	require.Contains(t, read(t, "README.md"), command)
}
