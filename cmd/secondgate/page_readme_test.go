package main

import (
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

// TestReadmeExample runs the README's example in the page's console, as the README says: it lists,
// follows, and goes on where it was after the gateway was killed.
func TestReadmeExample(t *testing.T) {
	_, example, found := strings.Cut(read(t, "README.md"), "```js\n")
	require.True(t, found)
	example, _, found = strings.Cut(example, "```")
	require.True(t, found)

	s := newServer(t)
	b := openPage(t, "http://"+s.address+"/")
	command := b.text("pre code")
	s.shell(command)
	const address = "127.0.0.1:8080"
	require.Contains(t, example, address)
	b.run(strings.ReplaceAll(example, address, s.address))
	b.holds("From the shell")

	s.shell(strings.Replace(command, "From the shell", "second", 1))
	b.holds("From the shell second")
	s.kill()
	s.shell(strings.Replace(command, "From the shell", "third", 1))
	s.shell(`sqlite3 data/secondgate.db "DELETE FROM app_data WHERE data ->> 'name' = 'second'"`)
	b.run("run = -1") // a second list would show: it would be number 0
	s.start()
	b.holds("From the shell third")
	require.Equal(t, "-1", evaluate[string](b, `run + %q`, ""), "it listed again instead of resuming")
}

// run runs a script in the page's console.
func (b *browser) run(script string) {
	b.Helper()
	_, err := chromedp.Run(b.ctx, chromedp.Evaluate[any](script+"\n;0"))
	require.NoError(b, err)
}

// holds waits until the example's documents have those names.
func (b *browser) holds(want string) {
	b.Helper()
	b.wait("the example's documents are "+want, func() bool {
		return want == evaluate[string](b, `[...docs.values()].map((doc) => doc.name).sort().join(%q)`, " ")
	})
}
