package main

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/backends/mongodb/mongodbtest"
)

// TestConformanceCommandMongoDB: the gateway that is built holds every rule of the protocol over MongoDB.
func TestConformanceCommandMongoDB(t *testing.T) {
	t.Parallel()
	o := operate(t, nil, "--heartbeat", "1s", "--backend", mongodbtest.Database(t))
	out, err := secondgate(t, nil, "conformance", "--url", o.url)
	require.NoError(t, err, out)
}
