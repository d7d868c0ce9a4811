// Package limits holds the budgets of what clients may make the gateway do at once.
//
// A door takes room from a budget before it does the work, and gives it back afterwards. A request
// that finds no room waits, for as long as a request may take.
package limits
