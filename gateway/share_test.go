package gateway_test

import (
	"testing"

	"github.com/secondgate/secondgate/backends/model/modeltest"
	"github.com/secondgate/secondgate/backends/mongodb/mongodbtest"
	"github.com/secondgate/secondgate/backends/postgres/postgrestest"
	"github.com/secondgate/secondgate/conformance"
)

// shareOf is what runs of some rules over a harness: all of them, but with the race detector every
// fourth over a database. What the detector can see, the gateway, is the same over every database, and
// with the model it runs several times as fast.
func shareOf[R any](h conformance.Harness, rules []R) (share []R) {
	for i, r := range rules {
		if isModel(h) || !testing.Short() || i%4 == 1 {
			share = append(share, r)
		}
	}
	return share
}

func isModel(h conformance.Harness) bool {
	_, model := h.(*modeltest.Harness)
	return model
}

func isServer(h conformance.Harness) bool {
	switch h.(type) {
	case *postgrestest.Harness, *mongodbtest.Harness:
		return true
	}
	return false
}

// asksDatabase tells the cases whose answer the database has a part in. What the gateway refuses by
// itself it refuses over a server as over the others.
func (c restCase) asksDatabase() bool {
	return c.status/100 == 2 || c.status == 404 || c.status == 409 || c.status == 412
}

// casesOf are the REST cases to run over a harness.
func casesOf(h conformance.Harness) (cases []restCase) {
	for _, c := range restCases {
		if !isServer(h) || c.asksDatabase() {
			cases = append(cases, c)
		}
	}
	return shareOf(h, cases)
}
