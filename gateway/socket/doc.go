// Package socket is the gateway's own WebSocket connection over coder/websocket's public API, and the only
// place that accepts one. It adds what a server of many strangers needs: text must be UTF-8 (RFC 6455 §8.1,
// which the library leaves to its user), a peer that takes no byte is given up, and kernel buffers are bounded.
//
// Bytes go from the TCP connection through wire, which follows their frames (incoming) and checks their text, to the
// library, and as messages out of Conn.
package socket
