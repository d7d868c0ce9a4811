// Package approvals keeps the agents.json of every app, and who approved it: an agent may read and write
// what was approved for it, and nothing else.
//
// A file takes this path: it is saved into the draft → [ParseManifest] normalises and hashes it → somebody
// approves that hash → the draft is published with its approval. State and history are documents of the
// app's reserved scope, so every gateway of the database reads the same.
//
// A request of an agent takes this path: the store asks the principal's [access.Approved], which is
// [Approvals.Agent] → the newest approval that is known, half a second old at most, decides.
package approvals
