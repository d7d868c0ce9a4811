//go:build autobahn

package socket_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestAutobahnGenuine runs the suite itself, which needs Python 2.7, and wants the same verdicts.
// ci/autobahn.sh sets the environment.
func TestAutobahnGenuine(t *testing.T) {
	python, suite := os.Getenv("PYTHON27"), os.Getenv("AUTOBAHN")
	require.NotEmpty(t, suite, "run this by make autobahn")
	reports := t.TempDir()
	spec, err := json.Marshal(map[string]any{
		"outdir": reports, "exclude-cases": []string{},
		"cases": append([]string{
			"1.*", "2.*", "3.*", "4.*", "5.*", "6.*", "7.*", "9.*", "10.*",
		}, compressionCases...),
		"servers": []any{map[string]string{"agent": "secondgate", "url": "ws://" + echoServer(t)}},
	})
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "spec.json")
	require.NoError(t, os.WriteFile(file, spec, 0o600))
	// Its packages share namespaces, which Python 2 finds through the .pth files of a site folder
	// only.
	start := fmt.Sprintf(
		"import site, sys; site.addsitedir(%q); from autobahntestsuite.wstest import run; run()", suite,
	)
	compare(t, runCases(t, reports, nil, python, "-c", start, "-m", "fuzzingclient", "-s", file))
}
