package conformance

import (
	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/protocol"
)

// The functions of this file make writes as a gateway does: data is canonical and without reserved
// names. The data is the rules' own, hence a mistake in it panics.

func ins(collection, id, data string) backends.Write {
	return backends.Write{Op: backends.Insert, Collection: collection, ID: id, Data: written(data, id)}
}

func upd(collection, id, data string) backends.Write {
	return backends.Write{Op: backends.Update, Collection: collection, ID: id, Data: written(data, id)}
}

func ups(collection, id, data string) backends.Write {
	return backends.Write{Op: backends.Upsert, Collection: collection, ID: id, Data: written(data, id)}
}

func del(collection, id string) backends.Write {
	return backends.Write{Op: backends.Delete, Collection: collection, ID: id}
}

// find is an upsert by filter. Should it make a document, that is named newID.
func find(collection, filter, newID, data string) backends.Write {
	return findBy(collection, filter, newID, data, false)
}

func findBy(collection, filter, newID, data string, paths bool) backends.Write {
	f, err := protocol.ParseFilter(canonical(filter), paths)
	if err != nil {
		panic(err)
	}
	return backends.Write{
		Op: backends.Upsert, Collection: collection, NewID: newID, Data: written(data, f.ID),
		Filter: &f, Paths: paths,
	}
}

func ifRev(w backends.Write, rev string) backends.Write {
	w.IfRev = rev
	return w
}

func paths(w backends.Write) backends.Write {
	w.Paths = true
	return w
}

func atMost(w backends.Write, bytes int) backends.Write {
	w.MaxBytes = bytes
	return w
}

func written(data, id string) []byte {
	out, err := protocol.Writable(canonical(data), id)
	if err != nil {
		panic(err)
	}
	return out
}

func canonical(data string) []byte {
	out, err := protocol.Canonical([]byte(data))
	if err != nil {
		panic(err)
	}
	return out
}
