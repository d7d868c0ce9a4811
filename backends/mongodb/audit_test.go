package mongodb_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/secondgate/secondgate/backends"
)

// TestAuditRowsAreThoseOfWebApps: texts, dates and numbers are of the types that a web app stores and looks
// for, and its indexes are there under its names.
func TestAuditRowsAreThoseOfWebApps(t *testing.T) {
	t.Parallel()
	s := deployment(t)
	at := time.Now().UTC().Truncate(time.Millisecond)
	stamp := at.Format("2006-01-02T15:04:05.000Z")
	body := `{"_id":"000000000000000000000001","createdAt":"` + stamp + `","metadata":{"createdAt":"` + stamp + `"},` +
		`"observedAt":"` + stamp + `","occurredAt":"` + stamp + `","retention":{"expiresAt":null},"schemaVersion":1,` +
		`"workspaceId":"w"}`
	key := backends.AuditKey("w", at, "000000000000000000000001")
	require.NoError(t, s.b.Put(t.Context(), backends.Entry{
		Kind: backends.AuditKind, Key: key, Body: []byte(body), At: at,
	}, false))
	rows := s.docs.Database().Collection("audit_events")
	raw, err := rows.FindOne(t.Context(), bson.D{{Key: "_id", Value: "000000000000000000000001"}}).Raw()
	require.NoError(t, err)
	for field, want := range map[string]bson.Type{
		"_id": bson.TypeString, "workspaceId": bson.TypeString, "occurredAt": bson.TypeDateTime,
		"observedAt": bson.TypeDateTime, "createdAt": bson.TypeDateTime, "schemaVersion": bson.TypeInt32,
	} {
		require.Equal(t, want, raw.Lookup(field).Type, field)
	}
	require.Equal(t, bson.TypeNull, raw.Lookup("retention", "expiresAt").Type)
	require.Equal(
		t,
		bson.TypeString,
		raw.Lookup("metadata", "createdAt").Type,
		"what a row holds stays as it is",
	)
	specs, err := rows.Indexes().ListSpecifications(t.Context())
	require.NoError(t, err)
	var names []string
	for _, i := range specs {
		names = append(names, i.Name)
	}
	for _, name := range []string{"", "category_", "event_", "actor_", "target_", "source_app_", "correlation_"} {
		require.Contains(t, names, "audit_events_workspace_"+name+"occurred")
	}
}
