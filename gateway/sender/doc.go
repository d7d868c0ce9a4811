// Package sender decides who writes a connection's output: its shard, a goroutine, or the caller;
// one at a time.
//
// A wake takes this path: [Sender.Wake] → the shard's queue → [Connection.Next], what goes out next
// → [Connection.Write], without waiting → idle again. Only where a write would have to wait does a
// goroutine take over, and after one write it hands the connection back to its shard. A connection
// without a shard has a goroutine for each wake.
//
// # States
//
//	state    meaning                          Wake       Serve      nothing left  more left  would wait
//	held     not started                      -          -          -             -          -
//	idle     nobody sends, nothing is left    → queued   -          -             -          -
//	queued   its shard will serve it          -          → sending  -             -          -
//	sending  Next or Write runs               → woken    -          → idle        → queued   goroutine
//	woken    likewise, after another wake     -          -          → queued      → queued   goroutine
//	closed   nothing is sent any more         -          -          -             -          -
//
// "-" is no change. The goroutine goes on in the state that it took over. Without a shard, "→
// queued" is a goroutine that sends on. [Sender.Close] leads to closed from every state and waits
// until nobody sends.
package sender
