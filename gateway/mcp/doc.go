// Package mcp is the door for agents that speak the Model Context Protocol: nine tools over one app's data.
//
// A call takes this path: an agent's token becomes a principal → the SDK reads the message, of either era of
// the protocol → a [tool] reads its arguments, refusing what it does not know → the store, which asks for the
// agent's rights → an answer of at most [MaxAnswer] bytes that says how to go on. No session outlives a
// request.
package mcp
