package socket_test

import (
	"bufio"
	"bytes"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// autobahnTable is what is expected of each case.
const autobahnTable = "testdata/autobahn.txt"

// verdict is how a case ended: its behaviour, and that of the closing handshake.
type verdict struct {
	Behavior string `json:"behavior"`
	Close    string `json:"behaviorClose"`
}

// passes: Autobahn calls informational what RFC 6455 leaves open.
func (v verdict) passes() bool {
	fine := []string{"OK", "INFORMATIONAL"}
	return slices.Contains(fine, v.Behavior) && slices.Contains(fine, v.Close)
}

// compare wants the table's verdict on each case, for better and for worse, and the reason of each
// that does not pass.
func compare(t *testing.T, got map[string]verdict) {
	t.Helper()
	want, reasons := readTable(t)
	counts := map[string]int{}
	for id, v := range got {
		counts[v.Behavior]++
		require.True(
			t, v.passes() || reasons[id] != "", "case %s is %v, and %s tells no reason", id, v, autobahnTable,
		)
	}
	t.Logf("%d cases: %v", len(got), counts)
	require.Equal(t, want, got)
}

// readTable reads lines of a case, its two verdicts and, if it does not pass, the reason.
func readTable(t *testing.T) (verdicts map[string]verdict, reasons map[string]string) {
	t.Helper()
	text, err := os.ReadFile(autobahnTable)
	require.NoError(t, err)
	verdicts, reasons = map[string]verdict{}, map[string]string{}
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		if strings.HasPrefix(lines.Text(), "#") {
			continue
		}
		cells := strings.SplitN(lines.Text(), "\t", 4)
		require.GreaterOrEqual(t, len(cells), 3, lines.Text())
		verdicts[cells[0]] = verdict{cells[1], cells[2]}
		reasons[cells[0]] = strings.Join(cells[3:], "")
	}
	return verdicts, reasons
}

func writeTable(t *testing.T, verdicts map[string]verdict) {
	t.Helper()
	_, reasons := readTable(t)
	text := bytes.NewBufferString("# case\tbehaviour\tclose\treason, of those that do not pass\n")
	for _, id := range slices.SortedFunc(maps.Keys(verdicts), inOrder) {
		line := strings.Join([]string{id, verdicts[id].Behavior, verdicts[id].Close, reasons[id]}, "\t")
		fmt.Fprintln(text, strings.TrimRight(line, "\t"))
	}
	require.NoError(t, os.WriteFile(autobahnTable, text.Bytes(), 0o644))
}

// inOrder compares case ids by their numbers: 1.1.2 is before 1.1.10.
func inOrder(a, b string) int {
	return slices.CompareFunc(strings.Split(a, "."), strings.Split(b, "."), func(m, n string) int {
		if len(m) != len(n) {
			return len(m) - len(n)
		}
		return strings.Compare(m, n)
	})
}
