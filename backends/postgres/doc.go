// Package postgres keeps documents in PostgreSQL 13 or newer.
//
// Each change is logged in the writer's own transaction: by the gateway in the statement that makes it, for everybody else
// by triggers. Transactions commit in another order than
// their numbers, so the feed never asks for numbers above the last one: it reads by snapshot difference, that is, the
// rows of transactions which one snapshot shows and the one before did not. A [backends.Cursor] is such a snapshot; those
// of one server are nested. NOTIFY only wakes.
//
// A write goes Write → one statement for a lone insert, else read under locks, [backends.Write.Apply], store → commit →
// announcer. A change goes commit → log → feed.Next, which reads the documents' states in the snapshot of the log.
package postgres
