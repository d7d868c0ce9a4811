package sqlite

import (
	"database/sql/driver"
	"time"
	"unicode/utf8"

	"github.com/secondgate/secondgate/protocol"
)

// columns are what document reads. Data comes as a blob, which the driver copies once instead of twice.
const columns = "id, CAST(data AS BLOB), created_at, updated_at, rev"

// document is the stored row as clients see it; nil if the JSON rules withhold it.
//
// The fingerprint is the proof of origin: bytes that it fits were written by a gateway and are canonical. It
// cannot fit what an outsider's UPDATE made of them. Anything else passes the rules first.
func (b *Backend) document(s protocol.Scope, collection string, row []driver.Value) *protocol.Document {
	var id, rev string
	var data []byte
	var created, updated int64
	if err := scan(row, &id, &data, &created, &updated, &rev); err != nil {
		b.withheld.Note(protocol.Ref{Scope: s, Collection: collection, ID: id}, err)
		return nil
	}
	doc := &protocol.Document{ID: id, Data: data, Created: time.UnixMilli(created).UTC(), Updated: time.UnixMilli(updated).UTC(), Rev: rev}
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
