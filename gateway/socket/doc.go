// Package socket is the gateway's own WebSocket connection over coder/websocket, and the only place
// that accepts one. It adds what a server of many unknown clients needs: text must be UTF-8 (RFC
// 6455 §8.1, which the library leaves to its user), a peer that takes no byte is given up, and
// kernel buffers are bounded.
//
// Received bytes take this path: the TCP connection → wire, which follows their frames (incoming)
// and checks their text → the library → [Conn.Read]. Messages go out through line, whole and one
// after the other, beside the control frames. On Linux without TLS a trier sends what needs no
// waiting, and lets an idle reader wait on a small stack. [Response] does the same for an event
// stream under HTTP/1.1. Options.Plain leaves all writing to the library.
//
// The package relies on how coder/websocket 1.8.15 works inside: it takes any Hijacker's connection
// and buffers, and writes each control frame by one Write. The tests of this package show both; run
// them before you take another version.
package socket
