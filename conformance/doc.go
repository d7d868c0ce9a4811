// Package conformance holds backends to their promises.
//
// [Run] is its door: a driver's test calls it with a [Harness] of about a hundred lines. Every rule
// has an id and one sentence. A failure prints both, the seed, and the shortest explanation that
// the checker knows. The rule type and the runner are those of conformance/rule, which
// conformance/wire (rules for any gateway, by its URL) and the gateway's own tests share.
//
// These rules are for tests alone. The binary links the rules for the wire and none of these: `make
// layers` checks it.
package conformance
