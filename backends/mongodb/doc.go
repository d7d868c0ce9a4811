// Package mongodb keeps documents in the collection app_data of a MongoDB replica set (6.0 or newer), in the form that
// existing deployments have: {_id, workspaceId, appId, collection, data, createdAt, updatedAt}. No field is added to a
// document; what the gateway needs beside them is in collections of its own, whose names begin with app_data_.
//
// A cursor is a cluster time. Lists read a snapshot whose time the server says; the feed is one change stream per process,
// cut where a cluster time ends, so that a transaction stays whole. Writes that wait together are one transaction.
package mongodb
