package differential_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/conformance"
	"github.com/secondgate/secondgate/conformance/wire"
)

// matrixPath is the document that has the matrix between two marks.
const matrixPath = "../../docs/conformance.md"

const (
	matrixBegins = "<!-- the matrix begins: SECONDGATE_UPDATE=1 go test ./conformance/differential -run TestMatrix -->\n"
	matrixEnds   = "<!-- the matrix ends -->\n"
)

// TestMatrix holds the published matrix to the rules and exemptions of the code; with
// SECONDGATE_UPDATE=1 it writes it.
func TestMatrix(t *testing.T) {
	t.Parallel()
	document, err := os.ReadFile(matrixPath)
	require.NoError(t, err)
	before, rest, begun := strings.Cut(string(document), matrixBegins)
	published, after, ended := strings.Cut(rest, matrixEnds)
	require.True(t, begun && ended, "the document has lost a mark")
	made := matrix()
	if os.Getenv("SECONDGATE_UPDATE") == "1" {
		require.NoError(t, os.WriteFile(matrixPath, []byte(before+matrixBegins+made+matrixEnds+after), 0o644))
		return
	}
	require.Equal(
		t, made, published,
		"the matrix is stale: SECONDGATE_UPDATE=1 go test ./conformance/differential -run TestMatrix",
	)
}

// matrix is both tables.
func matrix() string {
	var text strings.Builder
	rules, exempt := conformance.Rules(), 0
	text.WriteString(heading())
	for _, r := range rules {
		fmt.Fprintf(&text, "| `%s` | %s |", r.ID, cell(r.Says))
		for _, d := range databases() {
			why := d.harness.Exempt(r.ID)
			if why != "" {
				exempt++
				why = "exempt: " + why
			} else {
				why = "holds"
			}
			fmt.Fprintf(&text, " %s |", cell(why))
		}
		text.WriteString("\n")
	}
	fmt.Fprintf(&text, "\n%d rules, %d exemptions.\n", len(rules), exempt)
	fmt.Fprintf(&text, "\n### Rules of the protocol, over each database\n\n%s", heading())
	for _, r := range wire.Rules() {
		fmt.Fprintf(&text, "| `%s` | %s |%s\n", r.ID, cell(r.Says), strings.Repeat(" holds |", len(databases())))
	}
	fmt.Fprintf(&text, "\n%d rules. They have no exemptions.\n", len(wire.Rules()))
	return text.String()
}

func heading() string {
	names, line := "| rule | what it says |", "|---|---|"
	for _, d := range databases() {
		names, line = names+" "+d.name+" |", line+"---|"
	}
	return names + "\n" + line + "\n"
}

// cell is a text as a cell of a table.
func cell(text string) string {
	return strings.NewReplacer("|", `\|`, "<", "&lt;", "\n", " ").Replace(text)
}
