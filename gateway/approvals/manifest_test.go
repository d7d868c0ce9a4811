package approvals_test

import (
	"encoding/json"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/gateway/access"
	"github.com/secondgate/secondgate/gateway/approvals"
)

// TestManifestVectors compares canonical texts, payloads and hashes with those that upstream's own
// functions made in Node.
func TestManifestVectors(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("testdata/hashes.json")
	require.NoError(t, err)
	var vectors []struct {
		AgentsJSON                      string
		Canonical, Hash, Payload, Error string
		Missing                         bool
	}
	require.NoError(t, json.Unmarshal(text, &vectors))
	require.Len(t, vectors, 22)
	for _, v := range vectors {
		m, err := approvals.ParseManifest(v.AgentsJSON)
		switch {
		case v.Missing:
			require.ErrorIs(t, err, approvals.ErrMissing, "%q", v.AgentsJSON)
		case v.Error != "":
			require.EqualError(t, err, v.Error, "%q", v.AgentsJSON)
		default:
			require.NoError(t, err, "%q", v.AgentsJSON)
			require.Equal(t, v.Canonical, string(m.Canonical()))
			require.Equal(t, v.Hash, m.Hash())
			require.Equal(t, v.Payload, m.Payload())
		}
	}
}

func TestRightsAreTheUnionOfAnAgentsEntries(t *testing.T) {
	t.Parallel()
	m, err := approvals.ParseManifest(`{"agents":[{"id":"a","dataCollections":["x",5]},null,{"id":7,"dataCollections":["z"]},
		{"id":"a","dataCollections":["y"]},{"id":"b","dataCollections":"x"},{"id":"c"}]}`)
	require.NoError(t, err)
	all := access.AllOperations
	require.Equal(t, map[string]access.OperationSet{"x": all, "y": all}, m.Rights("a"))
	for _, none := range []string{"b", "c", "7", "", "A"} {
		require.Empty(t, m.Rights(none), none)
	}
	require.Len(t, m.Agents(), 4)
	first, ok := m.Agent("a")
	require.True(t, ok)
	require.JSONEq(t, `{"id":"a","dataCollections":["x",5]}`, string(first))
}

// TestOperations: dataOperations narrow what an entry allows. What cannot be understood allows
// nothing.
func TestOperations(t *testing.T) {
	t.Parallel()
	all := access.AllOperations.List()
	for operations, want := range map[string][]access.Operation{
		``:                                 all,
		`,"dataOperations":{}`:             all,
		`,"dataOperations":{"y":["read"]}`: all,
		`,"dataOperations":{"x":["read"]}`: {access.OpRead},
		`,"dataOperations":{"x":["delete","read","READ",7,"drop"]}`:           {access.OpRead, access.OpDelete},
		`,"dataOperations":{"x":[]}`:                                          nil,
		`,"dataOperations":{"x":"read"}`:                                      nil,
		`,"dataOperations":{"x":null}`:                                        nil,
		`,"dataOperations":null`:                                              nil,
		`,"dataOperations":["read"]`:                                          nil,
		`},{"id":"a","dataCollections":["x"],"dataOperations":{"x":["read"]}`: all,
		`,"dataOperations":{"x":["insert"]}},{"id":"a","dataCollections":["x"],"dataOperations":{"x":["read"]}`: {
			access.OpRead, access.OpInsert,
		},
	} {
		m, err := approvals.ParseManifest(`{"agents":[{"id":"a","dataCollections":["x"]` + operations + `}]}`)
		require.NoError(t, err)
		require.Equal(t, want, m.Rights("a")["x"].List(), operations)
	}
}

func TestTextsThatAreNoJSON(t *testing.T) {
	t.Parallel()
	for _, text := range []string{`{"agents":[1]} x`, `{"agents":[1],}`, `{'agents':[1]}`, `{"agents":[01]}`, "{\"agents\":[\"\n\"]}"} {
		_, err := approvals.ParseManifest(text)
		require.EqualError(t, err, "agents.json is not valid JSON", text)
	}
}
