package mongodbtest

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/secondgate/secondgate/conformance"
)

// Set is a replica set of three servers, of which any two can do without the third.
type Set []*Mongod

// StartSet starts the servers of a set for one test.
func StartSet(t conformance.T) Set {
	t.Helper()
	var set Set
	var members bson.A
	for i := range 3 {
		m, err := launch(true)
		set = append(set, started(t, m, err))
		members = append(members, bson.D{
			{Key: "_id", Value: i}, {Key: "host", Value: fmt.Sprintf("127.0.0.1:%d", m.port)},
		})
	}
	// The default is 10 s, which are waited for until another member is elected.
	settings := bson.D{{Key: "electionTimeoutMillis", Value: 2000}}
	config := bson.D{
		{Key: "_id", Value: "rs0"}, {Key: "members", Value: members}, {Key: "settings", Value: settings},
	}
	err := set[0].command(bson.D{{Key: "replSetInitiate", Value: config}})
	if err == nil {
		_, err = set.Primary()
	}
	if err != nil {
		t.Fatalf("initiate a replica set: %v", err)
	}
	return set
}

// Primary waits until one of the servers takes writes.
func (s Set) Primary() (*Mongod, error) {
	for end := time.Now().Add(startTime); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		for _, m := range s {
			if m.running != nil && m.isPrimary() {
				return m, nil
			}
		}
	}
	return nil, errors.New("no server of the set becomes the primary")
}

// URL is the URL of one of the set's databases.
func (s Set) URL(database string) string {
	var hosts []string
	for _, m := range s {
		hosts = append(hosts, fmt.Sprintf("127.0.0.1:%d", m.port))
	}
	return "mongodb://" + strings.Join(hosts, ",") + "/" + database + "?replicaSet=rs0"
}
