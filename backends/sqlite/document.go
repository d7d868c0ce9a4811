package sqlite

import (
	"database/sql/driver"
	"time"
	"unicode/utf8"

	"github.com/secondgate/secondgate/protocol"
)

// columns are what document reads. SQLite's driver copies a blob once and a text twice, so data is
// a blob.
const columns = "id, CAST(data AS BLOB), created_at, updated_at, rev"

// document is a stored row as clients see it, nil if it is withheld.
//
// The stored fingerprint proves the origin of the data: if it fits, a gateway wrote the data, and
// the data is canonical. It never fits data that an outside writer has changed. Such data must pass
// the JSON rules.
func (b *Backend) document(s protocol.Scope, collection string, row []driver.Value) *protocol.Document {
	var id, rev string
	var data []byte
	var created, updated int64
	if err := scan(row, &id, &data, &created, &updated, &rev); err != nil {
		b.withheld.Note(protocol.Ref{Scope: s, Collection: collection, ID: id}, err)
		return nil
	}
	doc := &protocol.Document{ID: id, Data: data, Rev: rev}
	doc.Created, doc.Updated = time.UnixMilli(created).UTC(), time.UnixMilli(updated).UTC()
	if rev != "" && utf8.ValidString(id) && protocol.Fingerprint(data, doc.Created, doc.Updated) == rev {
		return doc
	}
	canonical, err := protocol.Canonical(data)
	if err == nil && !utf8.ValidString(id) {
		err = protocol.Errorf(protocol.CodeInvalidID, "the id is no valid UTF-8")
	}
	if err != nil {
		b.withheld.Note(protocol.Ref{Scope: s, Collection: collection, ID: id}, err)
		return nil
	}
	return protocol.NewDocument(id, protocol.Visible(canonical), doc.Created, doc.Updated)
}
