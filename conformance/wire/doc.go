// Package wire holds a whole gateway to its promises, from the outside: over real WebSockets, beside an oracle of the
// database that the gateway has no part in.
//
// [CheckHistory] runs one seeded random history: writers, outside writers, and watchers that list, page, subscribe,
// are cut, and resume. At every bookmark a watcher's copy must equal the database at that bookmark's cursor.
package wire
