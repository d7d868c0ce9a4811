package postgres

import (
	"time"
	"unicode/utf8"

	"github.com/secondgate/secondgate/protocol"
)

// columns are what document reads. The text of jsonb is not canonical: it has its own order of
// names, and numbers in decimals.
const columns = "id, data::text, created_at, updated_at"

// row is a stored document as it is read. Without a document, all but id is nil.
type row struct {
	id               string
	data             []byte
	created, updated *time.Time
}

func (r *row) into() []any { return []any{&r.id, &r.data, &r.created, &r.updated} }

// document is a stored row as clients see it, nil if it is withheld.
func (b *Backend) document(s protocol.Scope, collection string, r *row) *protocol.Document {
	canonical, err := protocol.CanonicalDecimals(r.data)
	if err == nil && !utf8.ValidString(r.id) {
		// The database has another encoding.
		err = protocol.Errorf(protocol.CodeInvalidID, "the id is no valid UTF-8")
	}
	if err != nil {
		b.withheld.Note(protocol.Ref{Scope: s, Collection: collection, ID: r.id}, err)
		return nil
	}
	return protocol.NewDocument(r.id, protocol.Visible(canonical), *r.created, *r.updated)
}
