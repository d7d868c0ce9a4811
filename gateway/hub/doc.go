// Package hub turns the one feed of this process into bounded logs, one for each scope that has
// followers, and into subscriptions, which are positions in those logs.
//
// A batch takes this path: Feed.Next → [Hub] → the log of each scope it touches → the shard groups
// of that scope's subscribers → [Subscription.TakePrepared] or [Subscription.Take] by whoever sends
// for a connection. A subscriber that has fallen off its log is [Subscription.Behind]; the store
// reads what it lacks from the database (CatchUp).
//
// The hub opens feeds and nothing else of the database. Its reads belong to package store.
//
// # Goroutines
//
// [Hub.Run] owns the loop over the feed and the sweeper of idle logs. [Shards] own one goroutine
// for each core.
//
// # Locks
//
// The mutex of a log's prepared messages comes before Hub.mu, Hub.mu before that of a shard group,
// and that before a shard's. The hub calls no follower while it holds its lock. None is held while
// the database or a peer is waited for.
package hub
