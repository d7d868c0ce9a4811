// Package runs keeps the runs of agents: each is created, started once, ended once, and given up when it takes
// too long.
//
// A run takes this path: somebody creates it → [Runs.Start] claims it and hands it to the [Driver], or has it
// wait for a worker that calls [Runs.Claim] → the worker reports → [Runs.Complete] ends it. Without a report
// [Runs.Run] ends it once its time is over.
//
// A run is a document of its workspace's reserved scope, so every gateway hears of it by the feed: [Board] tells
// whoever watches. What else is known of a run is in the ledger, committed with the document: the workspace of
// its id, its place in the queue, and when somebody has to look after it.
package runs
