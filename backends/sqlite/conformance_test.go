package sqlite_test

import (
	"testing"

	"github.com/secondgate/secondgate/backends/sqlite/sqlitetest"
	"github.com/secondgate/secondgate/conformance"
)

func TestConformance(t *testing.T) {
	t.Parallel()
	conformance.Run(t, sqlitetest.Harness{})
}
