// Package gateway moves data between clients and one backend.
//
// A write goes door → protocol.Request → [Store] → backends.Backend.Write → answer. A change goes commit →
// backends.Feed → [Hub] → the scope's log → [Subscription] → door. A write answers its writer; only the feed tells
// others: foreign SQL, another gateway and an agent take the same path.
//
// # Goroutines
//
// Gateway owns the Hub's loop, the shards, one for each core, and the goroutines of sessions and direct streams, which
// outlive the requests that began them. A Session (one WebSocket) is its reader, and has a worker while requests
// wait and a drain while something is to be sent: the shard, where that takes no waiting, else a goroutine. Both end
// when they have caught up, and the reader waits for them before it returns. A direct Stream (one SSE response) waits for
// the peer's end instead of reading; any other is its request's own goroutine. Stop order: refuse new → goaway → drain
// with a deadline → Hub → shards → Feed → Backend.
//
// # Locks
//
// Gateway.mu comes before Session.mu and Stream's, Session.mu and replays.mu before joints.mu, that before Hub.mu, and
// Hub.mu before crew.mu before shard.mu; the Hub calls no one while it holds its lock. None is held across I/O that can
// wait.
package gateway
