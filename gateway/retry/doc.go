// Package retry repeats work that fails for a passing reason. It has the one back-off of the
// gateway.
//
// An error takes this path: attempt → [Do] asks whether it is passing → a wait, longer each time →
// the next attempt, until the caller's time is over.
package retry
