// Package limits holds the budgets of what clients may make the gateway hold and do at once.
//
// A door takes room from a [Budget] before it reads, parses or answers, and gives it back afterwards.
// A request that finds no room waits for as long as a request may take, and is then refused with
// rate_limited. Small requests pass large ones.
//
// [Connections] counts what is open, and [Rates] has the allowance of each user. Nothing waits for
// these: a request or connection over a limit is refused at once.
package limits
