package sqlite_test

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/backends"
)

// TestListsReadPagesOnce: every list, also a later one, reads each of its pages about once. A page
// holds ten of these documents or more. The test counts what the whole process reads, so no other
// test may run at the same time.
func TestListsReadPagesOnce(t *testing.T) {
	if testing.Short() {
		t.Log("the run without the race detector counts them")
		return
	}
	const documents, group = 20_000, 500
	b := fresh(t)
	for first := 0; first < documents; first += group {
		var inserts []backends.Write
		for i := range group {
			inserts = append(inserts, insert(fmt.Sprintf("d%06d", first+i), `{"text":"`+strings.Repeat("x", 250)+`"}`))
		}
		write(t, b, tx(inserts...))
	}
	for i := range 4 {
		before, listed := reads(t), 0
		q := backends.Query{Collection: "notes", MaxBytes: 512 << 10}
		for more := true; more; more = q.After != "" {
			page, err := b.List(context.Background(), scope, q)
			require.NoError(t, err)
			listed += len(page.Docs)
			q.After = page.Next
		}
		require.Equal(t, documents, listed)
		require.Less(t, reads(t)-before, documents/4, "list %d", i)
	}
}

// reads is how often this process has called read(2) and similar functions (proc_pid_io(5), syscr).
func reads(t *testing.T) int {
	t.Helper()
	text, err := os.ReadFile("/proc/self/io")
	require.NoError(t, err)
	found := regexp.MustCompile(`syscr: (\d+)`).FindSubmatch(text)
	require.NotNil(t, found)
	n, err := strconv.Atoi(string(found[1]))
	require.NoError(t, err)
	return n
}
