package main

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/secondgate/secondgate/backends/mongodb/mongodbtest"
	"github.com/secondgate/secondgate/backends/postgres/postgrestest"
)

// TestAReadOnlyDatabaseIsNotReady, with a sentence, also when no client writes; the log has the
// server's words. When it takes writes again, the gateway notices by itself.
func TestAReadOnlyDatabaseIsNotReady(t *testing.T) {
	t.Parallel()
	for name, start := range map[string]func(t *testing.T) (url string, readOnly func(on bool)){
		"PostgreSQL": func(t *testing.T) (string, func(bool)) {
			server := postgrestest.Start(t)
			return server.URL(), func(on bool) {
				value := map[bool]string{true: "on", false: "off"}[on]
				postgrestest.PSQL(t, server.URL(), "SET default_transaction_read_only = off;"+
					"ALTER SYSTEM SET default_transaction_read_only = "+value+"; SELECT pg_reload_conf()")
			}
		},
		"MongoDB": func(t *testing.T) (string, func(bool)) {
			server := mongodbtest.Start(t)
			return server.URL("apps"), func(on bool) {
				admin := mongodbtest.Client(t, server.URL("admin")).Database("admin")
				command := bson.D{{Key: "setUserWriteBlockMode", Value: 1}, {Key: "global", Value: on}}
				require.NoError(t, admin.RunCommand(t.Context(), command).Err())
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url, readOnly := start(t)
			o := operate(t, nil, "--backend", url)
			conn := dial(t, o.url)
			defer conn.Cut()
			insert(t, conn)
			readOnly(true)
			var body string
			require.Eventually(t, func() bool { // a write that has just succeeded speaks for a while
				status := 0
				status, body = o.get("/readyz")
				return status == http.StatusServiceUnavailable
			}, 3*time.Minute, 100*time.Millisecond)
			require.JSONEq(t, `{"status":"not ready","reason":"the database does not take writes: `+
				`the database is read-only: the operator must make it writable"}`, body)
			require.Eventually(t, func() bool { // the log comes by another way than the answer
				return strings.Contains(o.log.String(), "the database fails")
			}, time.Minute, 10*time.Millisecond)
			require.Positive(t, o.metric(`secondgate_database_faults_total{operation="write"}`))
			readOnly(false)
			require.Eventually(t, func() bool {
				status, _ := o.get("/readyz")
				return status == http.StatusOK
			}, time.Minute, 100*time.Millisecond)
			insert(t, conn)
		})
	}
}
