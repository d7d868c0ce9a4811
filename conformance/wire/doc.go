// Package wire holds a whole gateway to its promises, from the outside.
//
// [Run] holds any gateway that runs somewhere to the rules, black box: they need its URL and
// nothing else. Each rule writes to collections of its own, under random names, and deletes what it
// wrote. A gateway with data in it can therefore be held to them while it serves. Rules about
// documents, writes and lists are one text that runs over each transport: see [Door].
package wire
