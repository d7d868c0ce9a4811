package mongodb_test

import (
	"testing"

	"github.com/secondgate/secondgate/backends/mongodb/mongodbtest"
	"github.com/secondgate/secondgate/conformance"
)

func TestConformance(t *testing.T) {
	t.Parallel()
	var rules []conformance.Rule
	for i, r := range conformance.Rules() {
		if !testing.Short() || i%8 == 5 { // the race detector makes all of them slow
			rules = append(rules, r)
		}
	}
	conformance.Run(t, &mongodbtest.Harness{}, rules...)
}
