package gateway_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/backends/sqlite/sqlitetest"
	"github.com/secondgate/secondgate/protocol"
)

// counted counts the pages that are read.
type counted struct {
	backends.Backend
	pages atomic.Int64
}

func (b *counted) List(ctx context.Context, s protocol.Scope, q backends.Query) (backends.Page, error) {
	b.pages.Add(1)
	return b.Backend.List(ctx, s, q)
}

// TestHEADReadsNoLongList: HEAD of a list answers as GET does, and does not read all of it.
func TestHEADReadsNoLongList(t *testing.T) {
	b := &counted{Backend: (&sqlitetest.Harness{}).Open(t)}
	c := rest{t, serve(t, b)}
	for i := range 40 {
		body := fmt.Sprintf(`{"collection":"c","data":{"pad":%q}}`, strings.Repeat("x", 100_000))
		require.Equal(t, http.StatusCreated, c.do("POST", dataPath, body).status)
		body = fmt.Sprintf(`{"collection":"other%d","data":{}}`, i)
		require.Equal(t, http.StatusCreated, c.do("POST", dataPath, body).status)
	}
	for _, path := range []string{dataPath + "?collection=c", dataPath} {
		b.pages.Store(0)
		get := c.do("GET", path, "")
		got := b.pages.Swap(0)
		head := c.do("HEAD", path, "")
		require.Equal(t, http.StatusOK, head.status)
		require.Equal(t, get.header.Get("Content-Type"), head.header.Get("Content-Type"))
		require.Equal(t, get.header.Get("Second-Cursor") != "", head.header.Get("Second-Cursor") != "")
		require.Less(t, b.pages.Load(), got/2, path)
	}
	const short = dataPath + "?collection=other1"
	get, head := c.do("GET", short, ""), c.do("HEAD", short, "")
	require.Equal(t, get.header.Get("Content-Length"), head.header.Get("Content-Length"))
}
