package gateway_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestMCPPython: Python's MCP client lists the tools, writes, describes, queries, is refused and undoes, in both
// eras of the protocol.
func TestMCPPython(t *testing.T) {
	cache, err := os.UserCacheDir()
	require.NoError(t, err)
	packages := filepath.Join(cache, "secondgate", "mcp-client-2.3.0")
	_, err = os.Stat(packages)
	require.NoError(t, err, "ci/setup.sh installs Python's client")
	inMCP(t, func(m *mcpTrial) {
		for mode, version := range map[string]string{"auto": "2026-07-28", "legacy": "2025-11-25"} {
			ctx, cancel := context.WithTimeout(m.Context(), 2*time.Minute)
			defer cancel()
			python := exec.CommandContext(ctx, "python3", "testdata/mcp_client.py", m.url+"/mcp", mode)
			python.Env = append(os.Environ(), "PYTHONPATH="+packages, "PYTHONDONTWRITEBYTECODE=1",
				"TOKEN="+agentToken(m.T, agentClaims(nil)))
			out, err := python.CombinedOutput()
			require.NoError(m, err, "%s: %s", mode, out)
			require.Equal(m, version, strings.TrimSpace(string(out)), mode)
		}
	})
}
