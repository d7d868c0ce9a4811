package mongodb

import (
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/secondgate/secondgate/protocol"
)

const (
	// maxStored is the largest BSON of a document that this driver stores, in bytes. The server stores
	// 16 MiB and tells changes in events of little more.
	maxStored = 16<<20 - 16<<10
	// mostGrowth bounds how many bytes of BSON a byte of JSON becomes: in [1,1,…] each element has
	// its index as its name.
	mostGrowth = 10
	// beside bounds what stands beside the data of a new document: the names of its place, which are
	// short, in fields and in _id.
	beside = 8 << 10
)

// mayExceed reports whether so much JSON, and bytes beside it, may be more than one document of the
// server has room for.
func mayExceed(jsonBytes, others int) bool { return jsonBytes*mostGrowth+others > maxStored }

// checkSize fails with too_large if the server could not store d in place of found (nil: nothing).
// A document that another program made larger may shrink.
func checkSize(found *stored, d *protocol.Document) error {
	if d == nil {
		return nil
	}
	others := beside
	if found != nil {
		others = len(found.raw) - len(found.raw.Lookup("data").Value)
	}
	if !mayExceed(len(d.Data), others) {
		return nil
	}
	data := fromJSON(d.Data)
	if found != nil {
		data = preserve(found.raw.Lookup("data"), d.Data)
	}
	raw, err := bson.Marshal(bson.D{{Key: "data", Value: data}})
	if err != nil {
		return err
	}
	n := len(raw) + others
	if n > maxStored && (found == nil || n > len(found.raw)) {
		return protocol.Errorf(protocol.CodeTooLarge,
			"the document would be %d bytes in MongoDB's form; the limit there is %d", n, maxStored)
	}
	return nil
}
