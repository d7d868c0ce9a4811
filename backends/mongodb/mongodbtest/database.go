package mongodbtest

import (
	"context"
	"crypto/rand"
	"os"
	"sync"
	"time"

	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/secondgate/secondgate/conformance"
)

// shared is the server of all tests of the process. The keeper of its directory stops it when the
// process ends.
var shared = sync.OnceValues(func() (*Mongod, error) { return Launch() })

// URL is the URL of the shared server.
func URL(t conformance.T) string {
	t.Helper()
	if url := os.Getenv("SECONDGATE_TEST_MONGODB_URL"); url != "" {
		return url
	}
	m, err := shared()
	if err != nil {
		t.Fatalf("start mongod: %v", err)
	}
	return m.URL("test")
}

// Database is the URL of a new database on the shared server. Cleanup drops it.
func Database(t conformance.T) string {
	t.Helper()
	return DatabaseOn(t, URL(t))
}

// DatabaseOn is Database on another server.
func DatabaseOn(t conformance.T, url string) string {
	t.Helper()
	name := "test_" + rand.Text()[:12]
	client := Client(t, url)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_ = client.Database(name).Drop(ctx) // the test may have stopped the server
	})
	return Named(url, name)
}

// Client is a client without anything of the gateway's, with the defaults of the MongoDB driver.
func Client(t conformance.T, url string) *mongo.Client {
	t.Helper()
	client, err := mongo.Connect(options.Client().ApplyURI(url))
	if err != nil {
		t.Fatalf("connect: %v", err)
	}
	t.Cleanup(func() { disconnect(client) })
	return client
}
