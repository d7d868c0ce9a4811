// Package limits holds the budgets of what clients may make the gateway hold and do at once.
//
// A door takes room from a budget before it reads, parses or answers, and gives it back afterwards.
// A request that finds no room waits for as long as a request may take, and is then refused with
// rate_limited. Small requests pass large ones.
package limits
