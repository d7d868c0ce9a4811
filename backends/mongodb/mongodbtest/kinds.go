package mongodbtest

import (
	"fmt"
	"path/filepath"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/secondgate/secondgate/conformance"
)

// StartAlone starts a server that belongs to no replica set.
func StartAlone(t conformance.T) *Mongod {
	t.Helper()
	m, err := launch(false)
	return started(t, m, err)
}

// StartBare starts a server that is to belong to a replica set, which nobody has initiated yet.
func StartBare(t conformance.T) *Mongod {
	t.Helper()
	m, err := launch(true)
	return started(t, m, err)
}

const password = "of the test"

// StartSecured starts a server that asks everybody who they are, and a client of its administrator.
func StartSecured(t conformance.T) (*Mongod, *mongo.Client) {
	t.Helper()
	m := Start(t)
	err := m.command(bson.D{{Key: "createUser", Value: "root"}, {Key: "pwd", Value: password}, {Key: "roles", Value: bson.A{"root"}}})
	if err == nil {
		m.secured = true
		err = m.Restart()
	}
	if err == nil {
		err = m.Primary()
	}
	if err != nil {
		t.Fatalf("secure mongod: %v", err)
	}
	return m, Client(t, m.URLAs("root", password, "admin"))
}

// URLAs is that of a database, as a user whom admin knows.
func (m *Mongod) URLAs(user, password, database string) string {
	url := m.URL(database) + "&authSource=admin"
	return strings.Replace(url, "://", fmt.Sprintf("://%s:%s@", user, strings.ReplaceAll(password, " ", "%20")), 1)
}

func (m *Mongod) keyFile() string { return filepath.Join(m.Dir, "key") }
