package mongodb

import (
	"errors"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/secondgate/secondgate/backends"
)

// event is one event of a change stream.
type event struct {
	op     string
	at     bson.Timestamp
	doc    bson.Raw // the document after the event; nil: none, or the server kept no image of it
	before bson.Raw // the fields of the document before the event that tell where it belonged; nil as above
}

var (
	// errDropped means that the collection was dropped or renamed. The stream has ended.
	errDropped = errors.New("the collection was dropped or renamed")
	// errNoImage means that the server kept no image of a document, so nobody knows whom the change
	// concerns.
	errNoImage = errors.New("a change has no pre- or post-image")
)

// parseEvent copies an event of a change stream.
func parseEvent(raw bson.Raw) (e event, err error) {
	e.op, _ = raw.Lookup("operationType").StringValueOK()
	t, i, ok := raw.Lookup("clusterTime").TimestampOK()
	if !ok {
		return e, errors.New("an event of the change stream has no clusterTime")
	}
	e.at = bson.Timestamp{T: t, I: i}
	if doc, ok := raw.Lookup("fullDocument").DocumentOK(); ok {
		if e.doc = append(bson.Raw(nil), doc...); e.op == "update" {
			e.doc = dedupImage(e.doc)
		}
	}
	if before, ok := raw.Lookup("fullDocumentBeforeChange").DocumentOK(); ok {
		e.before = append(bson.Raw(nil), before...)
	}
	return e, nil
}

// complete fails if the event does not tell all that it means: with errDropped or errNoImage. It
// accepts events of the collection that mean nothing to clients.
func (e *event) complete() error {
	switch e.op {
	case "drop", "rename", "dropDatabase", "invalidate":
		return errDropped
	case "insert", "update", "replace", "delete":
		if e.op != "insert" && e.before == nil || e.op != "delete" && e.doc == nil {
			return errNoImage
		}
	}
	return nil
}

// changes returns what an event means to clients: nothing if it does not concern their documents.
// The images decide, not the kind of the event: an update may come as a replace.
func (b *Backend) changes(e event, epoch epoch, who authors) (all []backends.Change, err error) {
	if err := e.complete(); err != nil {
		return nil, err
	}
	at, by := commit{epoch, e.at}, who.of(&e)
	c := backends.Change{Op: backends.Insert, By: by, Commit: at}
	if e.before != nil {
		if was, ok := b.refOf(e.before); ok {
			all = append(all, backends.Change{Ref: was, Op: backends.Delete, By: by, Commit: at})
		}
	}
	if e.doc == nil {
		return all, nil
	}
	is, ok := b.read(e.doc)
	if !ok {
		return all, nil
	}
	if len(all) > 0 && all[0].Ref == is.ref {
		all, c.Op = nil, backends.Update
	}
	c.Ref, c.Doc = is.ref, is.doc
	if c.Doc == nil {
		c.Op = backends.Delete
	}
	return append(all, c), nil
}
