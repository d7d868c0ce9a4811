package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestPageReset shows the rest of what a client must get right: a list of several pages, and a copy
// that has become void, here because the database is another one now.
func TestPageReset(t *testing.T) {
	s := newServer(t)
	const rows = 700 // of a kibibyte each: two pages
	insert := fmt.Sprintf(
		`sqlite3 data/secondgate.db "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d)
		INSERT INTO app_data (workspace_id, app_id, collection, data)
		SELECT 'demo', 'demo', 'todos', json_object('text', 'row ' || i, 'more', '%s') FROM n"`,
		rows,
		strings.Repeat("x", 1024),
	)
	s.shell(insert)
	b := openPage(t, "http://"+s.address+"/plain/")
	count := func(pane string) int {
		return evaluate[int](
			b, `document.querySelectorAll(%q).length`, pane+" li",
		)
	}
	b.wait("both panes show every row", func() bool { return count(left) == rows && count(right) == rows })
	b.wait("both panes are live", func() bool { return b.state(left) == "live" && b.state(right) == "live" })

	s.kill()
	require.NoError(t, os.RemoveAll(filepath.Join(s.dir, filepath.Dir(database))))
	s.start()
	s.shell(b.text("pre code"))
	b.shows(left, "from the shell")
	b.shows(right, "from the shell")
	b.wait("both panes are live, and nothing was resumed", func() bool {
		return b.text(left+" output") == "live" && b.text(right+" output") == "live"
	})
}
