// Package driverkit holds what the drivers of package backends share. It is for drivers only: the
// contract that upper layers use is package backends.
//
//   - [Lifetime] admits calls and lets Close wait for them.
//   - [Queue] forms groups of the writes that wait.
//   - [Staged] holds the documents of a transaction before it is stored.
//   - [MutationRecord] makes a mutation happen once and answers its replays.
//   - [BatchBuilder] and [PageBuilder] build bounded answers.
//   - [Feeds], [Wakeup] and [FeedErr] serve feeds.
//   - [SharedRead] lets many callers share one read.
//   - [Withheld] reports documents that clients cannot be shown.
//   - [RunMaintenance], [Translate] and [Report] serve cleaning up, errors and checks.
package driverkit
