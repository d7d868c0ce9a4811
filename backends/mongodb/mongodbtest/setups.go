package mongodbtest

import (
	"fmt"
	"path/filepath"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/secondgate/secondgate/conformance"
)

// StartStandalone starts a server that belongs to no replica set.
func StartStandalone(t conformance.T) *Mongod {
	t.Helper()
	m, err := launch(false)
	return started(t, m, err)
}

// StartUninitiated starts a server of a replica set that nobody has initiated yet.
func StartUninitiated(t conformance.T) *Mongod {
	t.Helper()
	m, err := launch(true)
	return started(t, m, err)
}

const password = "of the test"

// StartSecured starts a server with access control, and returns a client of its administrator.
func StartSecured(t conformance.T) (*Mongod, *mongo.Client) {
	t.Helper()
	m := Start(t)
	err := m.command(bson.D{{Key: "createUser", Value: "root"}, {Key: "pwd", Value: password},
		{Key: "roles", Value: bson.A{"root"}}})
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

// URLAs is the URL of a database for a user that the administrator has made.
func (m *Mongod) URLAs(user, password, database string) string {
	url := m.URL(database) + "&authSource=admin"
	login := fmt.Sprintf("://%s:%s@", user, strings.ReplaceAll(password, " ", "%20"))
	return strings.Replace(url, "://", login, 1)
}

func (m *Mongod) keyFile() string { return filepath.Join(m.Dir, "key") }
