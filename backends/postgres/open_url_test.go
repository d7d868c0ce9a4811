package postgres_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/backends/postgres"
)

// TestASemicolonInTheURLIsRefused: it would drop the parameter that it stands in, such as schema.
func TestASemicolonInTheURLIsRefused(t *testing.T) {
	t.Parallel()
	for _, query := range []string{"schema=a;sslmode=disable", "schema=%zz"} {
		_, err := postgres.Open(t.Context(), postgres.Options{URL: "postgres://127.0.0.1:1/d?" + query})
		require.ErrorContains(t, err, "the parameters of the PostgreSQL URL cannot be read")
	}
}
