package mongodb_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/backends/mongodb/mongodbtest"
	"github.com/secondgate/secondgate/protocol"
)

// TestListOnly: a list that looks for a text or a boolean finds every value that clients see as it,
// whatever another program has stored, and leaves other texts out by itself.
func TestListOnly(t *testing.T) {
	t.Parallel()
	s := newFixture(t, mongodbtest.Database(t), nil)
	stored := map[string]any{
		"text": "x", "other text": "y", "true": true, "false": false, "array": bson.A{"x", true},
		"date": when, "date as text": "2020-01-02T03:04:05.678Z", "object id": object, "decimal": decimal("1.50"),
		"text of a decimal": "1.50",
	}
	for subtype := range 256 {
		if subtype != 2 && subtype != 9 { // those have forms of their own
			stored[fmt.Sprint("binary ", subtype)] = bson.Binary{
				Subtype: byte(subtype),
				Data:    []byte{1, 2, 3},
			}
		}
	}
	var all []any
	for id, v := range stored {
		all = append(all, bson.D{
			{Key: "_id", Value: id}, {Key: "workspaceId", Value: "w"}, {Key: "appId", Value: "a"},
			{Key: "collection", Value: "c"}, {Key: "data", Value: bson.D{{Key: "v", Value: v}}},
			{Key: "createdAt", Value: when}, {Key: "updatedAt", Value: when},
		})
	}
	_, err := s.docs.InsertMany(s.Context(), all)
	require.NoError(t, err)
	whole := s.listOnly(nil)
	require.Greater(t, len(whole), 200)
	for _, doc := range whole {
		value, ok := protocol.Member(doc.Data, "v")
		require.True(t, ok)
		only := &protocol.Filter{Conditions: []protocol.Condition{{Field: "v", Value: value}}}
		require.Equal(t, matching(whole, only), matching(s.listOnly(only), only), "%s", value)
	}
	found := s.listOnly(
		&protocol.Filter{Conditions: []protocol.Condition{{Field: "v", Value: []byte(`"x"`)}}},
	)
	for _, doc := range found {
		require.NotEqual(t, "other text", doc.ID, "the server leaves it out")
	}
}

func (s *fixture) listOnly(only *protocol.Filter) []protocol.Document {
	s.Helper()
	page, err := s.b.List(s.Context(), testScope, backends.Query{Collection: "c", Only: only})
	require.NoError(s, err)
	return page.Docs
}

// matching names the documents that a filter matches.
func matching(docs []protocol.Document, f *protocol.Filter) string {
	var ids []string
	for i := range docs {
		if f.Matches(&docs[i]) {
			ids = append(ids, docs[i].ID)
		}
	}
	return strings.Join(ids, ", ")
}
