package sqlite_test

import (
	"testing"

	"github.com/secondgate/secondgate/backends/sqlite/sqlitetest"
	"github.com/secondgate/secondgate/conformance"
)

func TestConformance(t *testing.T) {
	t.Parallel()
	var rules []conformance.Rule
	for i, r := range conformance.Rules() {
		if !testing.Short() || i%8 == 3 { // the race detector makes SQLite 16 times slower
			rules = append(rules, r)
		}
	}
	conformance.Run(t, sqlitetest.Harness{}, rules...)
}
