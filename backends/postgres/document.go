package postgres

import (
	"time"
	"unicode/utf8"

	"github.com/secondgate/secondgate/protocol"
)

// columns are what document reads. jsonb as text is no canonical JSON: names come in an order of its own, numbers in
// decimals.
const columns = "id, data::text, created_at, updated_at"

// row is a stored document as it comes; all but id are nil where there is none.
type row struct {
	id               string
	data             []byte
	created, updated *time.Time
}

func (r *row) into() []any { return []any{&r.id, &r.data, &r.created, &r.updated} }

// document is the stored row as clients see it; nil if the JSON rules withhold it.
func (b *Backend) document(s protocol.Scope, collection string, r *row) *protocol.Document {
	canonical, err := protocol.CanonicalDecimals(r.data)
	if err == nil && !utf8.ValidString(r.id) {
		err = protocol.Errorf(protocol.CodeInvalidID, "the id is no valid UTF-8") // of a database in another encoding
	}
	if err != nil {
		b.withheld.Note(protocol.Ref{Scope: s, Collection: collection, ID: r.id}, err)
		return nil
	}
	return protocol.NewDocument(r.id, protocol.Visible(canonical), *r.created, *r.updated)
}
