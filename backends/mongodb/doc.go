// Package mongodb keeps documents in the collection app_data of a MongoDB replica set (6.0 or
// newer), in the form of existing deployments: {_id, workspaceId, appId, collection, data,
// createdAt, updatedAt}. It adds no field to a document. What the gateway needs besides is in
// collections whose names begin with app_data_.
//
// # Data flow
//
// A write goes [Backend.Write] → the queue → one worker, which carries out all calls that wait in
// one transaction: see [group]. A single write without a mutation id needs no transaction: see
// write_single.go.
//
// A change goes COMMIT → the oplog → [stream], the change stream of a [feed] → [feed.Next]. A feed
// ends its batches only where a cluster time ends, so no transaction is torn.
//
// # Snapshots
//
// A cursor is a cluster time. Reads use a snapshot session, whose time the server tells.
package mongodb
