package vectors_test

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestVectorsAreTheProtocols(t *testing.T) {
	ours, err := os.ReadFile("vectors.json")
	require.NoError(t, err)
	protocols, err := os.ReadFile("../../protocol/testdata/documents.json")
	require.NoError(t, err)
	require.Equal(
		t, string(protocols), string(ours), "cp protocol/testdata/documents.json conformance/vectors/vectors.json",
	)
}
