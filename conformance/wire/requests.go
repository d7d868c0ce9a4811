package wire

import "github.com/secondgate/secondgate/protocol"

// The functions of this file make requests. Data is sent as it is written.

func insert(collection, id, data string) protocol.Request {
	return protocol.Request{Type: protocol.TypeInsert, Collection: collection, DocID: id, Data: []byte(data)}
}

func update(collection, id, data string) protocol.Request {
	return protocol.Request{Type: protocol.TypeUpdate, Collection: collection, DocID: id, Data: []byte(data)}
}

func upsert(collection, id, data string) protocol.Request {
	return protocol.Request{Type: protocol.TypeUpsert, Collection: collection, DocID: id, Data: []byte(data)}
}

// find is an upsert by filter.
func find(collection, filter, data string) protocol.Request {
	return protocol.Request{
		Type: protocol.TypeUpsert, Collection: collection, Filter: []byte(filter),
		Data: []byte(data),
	}
}

func remove(collection, id string) protocol.Request {
	return protocol.Request{Type: protocol.TypeDelete, Collection: collection, DocID: id}
}

func doc(collection, id string) protocol.Request {
	return protocol.Request{Type: protocol.TypeDoc, Collection: collection, DocID: id}
}

func list(collection string) protocol.Request {
	return protocol.Request{Type: protocol.TypeList, Collection: collection}
}

func batch(operations ...protocol.Request) protocol.Request {
	return protocol.Request{Type: protocol.TypeBatch, Operations: operations}
}

func subscribe(collection, id, cursor string) protocol.Request {
	return protocol.Request{Type: protocol.TypeSubscribe, Collection: collection, DocID: id, Cursor: cursor}
}

func unsubscribe(collection, id string) protocol.Request {
	return protocol.Request{Type: protocol.TypeUnsubscribe, Collection: collection, DocID: id}
}

func ifRev(q protocol.Request, rev string) protocol.Request {
	q.IfRev = rev
	return q
}

func paths(q protocol.Request) protocol.Request {
	q.Paths = true
	return q
}

func under(q protocol.Request, mutationID string) protocol.Request {
	q.MutationID = mutationID
	return q
}
