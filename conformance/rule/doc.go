// Package rule is how this project states promises and holds something to them.
//
// A [Rule] has an id, one sentence, and a check. Three sets of rules share it: those for backends
// (package conformance), those for the wire (package conformance/wire), and the gateway's own (its
// tests). A [Subject] is what they are held to: a driver's harness, a URL, a gateway that a test
// starts. [Run] makes one subtest of each rule, [Check] needs no test and is what the binary uses,
// and [Try] returns what one rule has found.
//
// This package imports neither the backends nor package testing, so that the binary links only the
// rules that it runs.
package rule
