package main

import (
	"encoding/json"

	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/gateway/audit"
)

// checkAudit wants exactly one row for each write that there was: each has made a document.
func (c *crash) checkAudit(docs map[string]string) {
	c.Helper()
	database := serve{Backend: c.backend, Retention: keepAll}
	b, err := database.openBackend(c.Context(), nil)
	require.NoError(c, err)
	defer func() { require.NoError(c, b.Close()) }()
	made := map[string]int{}
	for after := ""; ; {
		rows, err := b.Find(c.Context(), backends.AuditKind, crashScope.Workspace+"/", after, 1000)
		require.NoError(c, err)
		for _, row := range rows {
			var v struct{ Target struct{ ID string } }
			require.NoError(c, json.Unmarshal(row.Body, &v))
			made[v.Target.ID]++
			after = row.Key
		}
		if len(rows) < 1000 {
			break
		}
	}
	want := map[string]int{}
	for id := range docs {
		want[id] = 1
	}
	require.Equal(c, want, made, "rows of each document")
	report, err := audit.Verify(c.Context(), b, crashScope.Workspace)
	require.NoError(c, err)
	require.Empty(c, report.Wrong)
	c.Logf("%d rows are sealed, %d are not yet", report.Sealed, report.Unsealed)
}
