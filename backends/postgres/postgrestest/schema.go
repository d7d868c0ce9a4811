package postgrestest

import (
	"fmt"
	"net/url"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/secondgate/secondgate/conformance"
)

// shared is the server of all tests of this process. Nobody closes it: its keeper does.
var shared = sync.OnceValues(func() (*Cluster, error) { return Launch() })

// URL is the URL of the server that the tests of this process share: SECONDGATE_TEST_POSTGRES_URL,
// whose role must be a superuser, or one that is started for them.
func URL(t conformance.T) string {
	t.Helper()
	if url := os.Getenv("SECONDGATE_TEST_POSTGRES_URL"); url != "" {
		return url
	}
	c, err := shared()
	if err != nil {
		t.Fatalf("start PostgreSQL: %v", err)
	}
	return c.URL()
}

var schemas atomic.Int64

// Schema makes an empty schema on the shared server and returns its URL for a gateway. Cleanup
// drops the schema.
func Schema(t conformance.T) string {
	t.Helper()
	return SchemaOn(t, URL(t))
}

// SchemaOn is Schema on a given server.
func SchemaOn(t conformance.T, server string) string {
	t.Helper()
	name := fmt.Sprintf("t%d_%d_%d", os.Getpid(), time.Now().UnixMilli()%1e9, schemas.Add(1))
	PSQL(t, server, "CREATE SCHEMA "+name)
	t.Cleanup(func() {
		if out, err := TryPSQL(server, "DROP SCHEMA "+name+" CASCADE"); err != nil {
			t.Errorf("drop the schema: %v\n%s", err, out)
		}
	})
	return with(server, "schema", name)
}

// with sets a parameter of a URL; "" removes it. It returns a malformed URL as it is: connecting
// reports what is wrong with it.
func with(text, parameter, value string) string {
	u, err := url.Parse(text)
	if err != nil {
		return text
	}
	q := u.Query()
	q.Set(parameter, value)
	if value == "" {
		q.Del(parameter)
	}
	u.RawQuery = q.Encode()
	return u.String()
}

// SchemaOf is the schema in a gateway's URL.
func SchemaOf(text string) string {
	u, err := url.Parse(text)
	if err != nil || u.Query().Get("schema") == "" {
		return "public"
	}
	return u.Query().Get("schema")
}

// ForClients is a gateway's URL for PostgreSQL's own clients, which know a search path instead of a
// schema.
func ForClients(text string) string {
	if schema := SchemaOf(text); schema != "public" {
		text = with(text, "options", "-csearch_path="+schema)
	}
	return with(text, "schema", "")
}
