package mongodb

import (
	"errors"

	"github.com/secondgate/secondgate/backends"
)

// errNoImage: what a document was, or has become, was not kept, so that nobody can say whom the change concerns.
var errNoImage = errors.New("a change has no pre- or post-image")

// complete fails where what an event means is more than it tells. Those of the collection that mean nothing to clients pass.
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

// changes are what an event means to clients: none if it is not about their documents. The kind of the event is no guide,
// since an update may come as a replace; the images are.
func (b *Backend) changes(e event, life epoch) (all []backends.Change, err error) {
	if err := e.complete(); err != nil {
		return nil, err
	}
	by := commit{life, e.at}
	c := backends.Change{Op: backends.Insert, Commit: by}
	if e.before != nil {
		if was, ok := b.place(e.before); ok {
			all = append(all, backends.Change{Ref: was, Op: backends.Delete, Commit: by})
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
