package gateway_test

import (
	"testing"
	"time"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/stretchr/testify/require"
)

// TestMCPOldNames: today's two tools, with today's texts, to a client of the older era.
func TestMCPOldNames(t *testing.T) {
	inMCP(t, func(m *mcpTrial) {
		m.session = m.connect(agentToken(m.T, agentClaims(nil)), "2025-06-18")
		require.Equal(m, "2025-06-18", m.session.InitializeResult().ProtocolVersion)
		var wrote struct {
			Success bool
			Doc     map[string]any
		}
		text := m.call(
			&wrote,
			"update_app_data",
			`{"collection":"leads","operation":"insert","data":{"n":1}}`,
		)
		require.True(m, wrote.Success)
		require.Contains(m, text, "{\n  \"success\": true,\n  \"doc\": {\n")
		id := wrote.Doc["_id"].(string)
		m.call(
			&wrote,
			"update_app_data",
			`{"collection":"leads","operation":"update","filter":{"_id":"`+id+`"},"data":{"a.b":2}}`,
		)
		require.Equal(m, map[string]any{"b": 2.0}, wrote.Doc["a"])
		var docs []map[string]any
		m.call(&docs, "read_app_data", `{"collection":"leads"}`)
		require.Len(m, docs, 1)
		require.NotContains(m, docs[0], "_rev")
		m.call(&docs, "read_app_data", `{"collection":"leads","docId":"nowhere"}`)
		require.Empty(m, docs)
		require.Equal(m, `Access denied: agent is not allowed to write to collection "notes". Allowed: leads`,
			m.call(nil, "update_app_data", `{"collection":"notes","operation":"insert","data":{}}`))
		require.Equal(m, `Access denied: agent is not allowed to read collection "notes". Allowed: leads`,
			m.call(nil, "read_app_data", `{"collection":"notes"}`))
		require.Contains(
			m,
			m.call(
				nil,
				"update_app_data",
				`{"collection":"leads","operation":"update","filter":{"_id":"x"},"data":{}}`,
			),
			"Failed to update data: ",
		)
		require.Contains(
			m,
			m.call(
				nil,
				"update_app_data",
				`{"collection":"leads","operation":"upsert","filter":{},"data":{}}`,
			),
			"Failed to upsert data: filter is empty",
		)
		m.call(
			&wrote,
			"update_app_data",
			`{"collection":"leads","operation":"delete","filter":{"_id":"`+id+`"}}`,
		)
		require.True(m, wrote.Success)
	})
}

// TestMCPResources: collections can be read, and a client that listens is told of changes.
func TestMCPResources(t *testing.T) {
	inMCP(t, func(m *mcpTrial) {
		listed, err := m.session.ListResources(m.Context(), nil)
		require.NoError(m, err)
		require.Len(m, listed.Resources, 1)
		uri := listed.Resources[0].URI
		read, err := m.session.ReadResource(m.Context(), &sdk.ReadResourceParams{URI: uri})
		require.NoError(m, err)
		require.JSONEq(m, `{"docs":[],"count":0}`, read.Contents[0].Text)
		require.NoError(m, m.session.Subscribe(m.Context(), &sdk.SubscribeParams{URI: uri}))
		require.Equal(
			m,
			201,
			m.person(owner, "POST", appPath+"/data?version=draft", `{"collection":"leads","data":{}}`).Status,
		)
		select {
		case told := <-m.updated:
			require.Equal(m, uri, told)
		case <-time.After(time.Minute):
			require.Fail(m, "the client was not told of a change")
		}
	})
}
