// Package differential has one random history carried out on every database, and whatever they
// answer compared.
//
// An author makes up requests from a seed and from what has been written so far. Each goes to the
// model, SQLite, PostgreSQL and MongoDB at once; nothing else writes, so that there is one right
// answer to it. The answers are compared as text, bytes and times and all; reads also with what the
// writes were answered; and what each feed tells with what was written. The first difference ends
// the run, and is told with the seed, the step and both answers.
//
// The package is tests only. It also makes the table of rules in docs/conformance.md.
package differential
