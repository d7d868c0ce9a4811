package driverkit_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/backends/driverkit"
	"github.com/secondgate/secondgate/protocol"
)

func upsert(t *testing.T, filter, data string, paths bool) backends.Write {
	t.Helper()
	f, err := protocol.ParseFilter([]byte(filter), paths)
	require.NoError(t, err)
	return backends.Write{
		Op: backends.Upsert, Collection: "notes", NewID: protocol.NewID(time.Now()), Filter: &f, Data: []byte(data),
		Paths: paths,
	}
}

// TestNewestOfAll: after random writes, some of which are taken back, an upsert means the document
// that a look at all staged documents finds.
func TestNewestOfAll(t *testing.T) {
	t.Parallel()
	filters := []string{
		"{}", `{"a":1}`, `{"a":1,"b":2}`, `{"a":null}`, `{"o":{"x":1}}`, `{"o":{}}`, `{"c":1}`, `{"é":"ü"}`,
		`{"o.x":1}`,
	}
	patches := []string{
		`{"a":1}`, `{"a":2}`, `{"a":null,"b":2}`, `{"b":2}`, `{"o":{"x":1}}`, `{"o":{}}`, `{"é":"ü"}`,
		`{"o.x":1}`,
	}
	random := rand.New(rand.NewPCG(1, 2))
	s := driverkit.NewStaged()
	for i := range 3000 {
		w := upsert(t, filters[random.IntN(len(filters))], patches[random.IntN(len(patches))], random.IntN(3) == 0)
		if random.IntN(4) == 0 {
			w = write(backends.Op(0), fmt.Sprint(random.IntN(20)))
			w.Op = []backends.Op{backends.Delete, backends.Upsert}[random.IntN(2)]
		}
		tx := &backends.Tx{At: time.Unix(int64(i), 0), Writes: []backends.Write{w}}
		if i == 500 {
			r := refOf("loaded")
			s.Loaded(r, protocol.NewDocument(r.ID, []byte(`{"a":1,"b":2}`), tx.At, tx.At))
		}
		s.Begin()
		s.Named(tx)
		var found *protocol.Document
		if driverkit.ByFilter(&w) {
			found = s.Newest(tx, &w)
			require.Equal(t, newestOf(s, &w), found)
		} else {
			found = s.Find(tx, &w)
		}
		if _, err := s.Apply(tx, &w, found); err != nil || random.IntN(5) == 0 {
			s.Undo()
		}
	}
}

func newestOf(s *driverkit.Staged, w *backends.Write) *protocol.Document {
	var docs []protocol.Document
	for _, d := range s.Docs {
		if d.Doc != nil {
			docs = append(docs, *d.Doc)
		}
	}
	return backends.Newest(*w.Filter, docs)
}
