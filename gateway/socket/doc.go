// Package socket is the gateway's own WebSocket connection over coder/websocket's public API, and the only
// place that accepts one. It adds what a server of many strangers needs: text must be UTF-8 (RFC 6455 §8.1,
// which the library leaves to its user), a peer that takes no byte is given up, and kernel buffers are bounded.
//
// Bytes go from the TCP connection through wire, which follows their frames (incoming) and checks their text, to the
// library, and as messages out of Conn. Messages go out by line, whole and one after the other, beside the control frames; on
// Linux and without TLS a trier sends what takes no waiting and lets an idle reader wait on a small stack. Response is the same for
// an event stream under HTTP/1.1. Options.Plain leaves all writing to the library.
//
// It rests on how coder/websocket 1.8.15 works inside: that it takes any Hijacker's connection and buffers, and writes
// each control frame by one Write. The tests of this package show both, so run them before another version is taken.
package socket
