package gateway_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/backends/model"
	"github.com/secondgate/secondgate/conformance/client"
	"github.com/secondgate/secondgate/protocol"
)

// TestCounts: the collections of a scope are counted without their documents, and no other scope's.
func TestCounts(t *testing.T) {
	t.Parallel()
	url := serve(t, model.New(model.Options{PreImage: -1, Break: -1}))
	draft := protocol.Scope{Workspace: "w", App: "a", Draft: true}
	published := protocol.Scope{Workspace: "w", App: "a"}
	for _, c := range []struct {
		scope      protocol.Scope
		collection string
	}{{published, "b"}, {published, "a\"<"}, {published, "b"}, {draft, "c"}} {
		q := protocol.Request{Type: protocol.TypeInsert, Collection: c.collection, Data: []byte(`{"n":1}`)}
		a, err := client.Do(t.Context(), "POST", client.DataURL(url, c.scope, ""), client.Body(q))
		require.NoError(t, err)
		require.Equal(t, http.StatusCreated, a.Status, a.Body)
	}
	for scope, counts := range map[protocol.Scope]string{
		published:                        `[{"name":"a\"<","count":1},{"name":"b","count":2}]`,
		draft:                            `[{"name":"c","count":1}]`,
		{Workspace: "w", App: "nothing"}: `[]`,
	} {
		a, err := client.Do(t.Context(), "GET", client.DataURL(url, scope, "", "counts", "1"), "")
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, a.Status)
		require.JSONEq(t, `{"counts":`+counts+`}`, a.Body)
	}
}
