// Package conformance proves that a backend and a gateway keep their promises.
//
// [Run] holds one backend to the rules, through a [Harness] of about a hundred lines that its driver
// writes. [CheckHistory] drives a whole gateway over real WebSockets with a seeded random history and holds
// what its clients saw to the database. Every rule has an id and one sentence; a failure prints both, the seed, and
// the shortest explanation that the checker knows.
package conformance
