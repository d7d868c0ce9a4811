// Package gateway moves data between clients and one backend.
//
// A write goes door → protocol.Request → [Store] → backends.Backend.Write → answer. A change goes commit →
// backends.Feed → [Hub] → the scope's log → [Subscription] → door. A write answers its writer; only the feed tells
// others: foreign SQL, another gateway and an agent take the same path.
//
// # Goroutines
//
// Gateway owns the Hub's loop. A Session (one WebSocket) owns its reader, and starts a worker while requests
// wait and a drain while something is to be sent; both end when they have caught up, and the reader waits for
// them before it returns. A Stream (one SSE response) is its request's own goroutine. Stop order: refuse new →
// goaway → drain with a deadline → Hub → Feed → Backend.
//
// # Locks
//
// Gateway.mu comes before Session.mu, Session.mu and replays.mu before Hub.mu; the Hub calls no one while it holds
// its lock. None is held across I/O.
package gateway
