package main

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/backends/sqlite"
	"github.com/secondgate/secondgate/conformance/client"
	"github.com/secondgate/secondgate/protocol"
)

// auditRowsIn are the rows of a workspace in a file.
func auditRowsIn(
	t *testing.T, path, workspace string, change func(context.Context, backends.Backend, []backends.Entry),
) {
	t.Helper()
	b, err := sqlite.Open(t.Context(), sqlite.Options{Path: path})
	require.NoError(t, err)
	defer func() { require.NoError(t, b.Close()) }()
	rows, err := b.Find(t.Context(), backends.AuditKind, workspace+"/", "", 100)
	require.NoError(t, err)
	change(t.Context(), b, rows)
}

// TestAuditVerify: a gateway seals what was written through it. verify finds that in order, and a row that is
// gone by its id.
func TestAuditVerify(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "x.db")
	backend := "sqlite:" + path
	o := operate(t, nil, "--backend", backend)
	for range 3 {
		address := client.DataURL(o.url, protocol.Scope{Workspace: "w", App: "a"}, "")
		a, err := client.Do(t.Context(), "POST", address, `{"collection":"c","data":{}}`)
		require.NoError(t, err)
		require.Equal(t, 201, a.Status)
	}
	verify := func() (string, error) { return secondgate(t, nil, "audit", "verify", "--backend", backend) }
	out, err := verify()
	require.NoError(t, err, out)
	require.Eventually(t, func() bool {
		out, err = verify()
		return err == nil &&
			strings.Contains(out, `"w": 3 rows are as they were sealed, 0 are not sealed yet`)
	}, time.Minute, 100*time.Millisecond, "the rows are sealed")
	var gone string
	auditRowsIn(t, path, "w", func(ctx context.Context, b backends.Backend, rows []backends.Entry) {
		require.Len(t, rows, 3)
		_, _, gone, _ = backends.ParseAuditKey(rows[1].Key)
		_, err := b.Take(ctx, backends.AuditKind, rows[1].Key)
		require.NoError(t, err)
	})
	out, err = secondgate(t, nil, "audit", "verify", "--backend", backend, "--workspace", "w")
	require.Error(t, err)
	require.Equal(t, 1, statusOf(err))
	require.Contains(t, out, "row "+gone+" of ")
	require.Contains(t, out, "was removed")
}

// TestRevocationsLeaveRows: in the workspaces that are named.
func TestRevocationsLeaveRows(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "x.db")
	auditRowsIn(t, path, "w", func(context.Context, backends.Backend, []backends.Entry) {}) // makes the file
	for _, args := range [][]string{
		{"--user", "ada", "--workspace", "w", "--workspace", "v"}, {"--id", "j1", "--workspace", "w"},
		{"--user", "bob", "--workspace", "w", "--audit", "off"}, {"--user", "eve"},
	} {
		out, err := secondgate(
			t,
			nil,
			append([]string{"token", "revoke", "--backend", "sqlite:" + path}, args...)...)
		require.NoError(t, err, out)
	}
	for workspace, want := range map[string][]string{"w": {"of ada", "token j1"}, "v": {"of ada"}, "": {"of eve"}} {
		auditRowsIn(t, path, workspace, func(_ context.Context, _ backends.Backend, rows []backends.Entry) {
			require.Len(t, rows, len(want), workspace)
			for i, says := range want {
				require.Contains(t, string(rows[i].Body), says)
				require.Contains(t, string(rows[i].Body), `"eventName":"auth.token.revoked"`)
			}
		})
	}
}
