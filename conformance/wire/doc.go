// Package wire holds a whole gateway to its promises, from the outside.
//
// [Run] holds any gateway that runs somewhere to the rules, black box: all that they need is its URL. Each writes to
// collections of its own, under random names, and deletes what it wrote, so that a gateway with data in it can be held
// to them while it serves. Rules about documents, writes and lists are one text that runs over each transport: see
// [Door].
//
// [CheckHistory] runs one seeded random history beside an oracle of the database that the gateway has no part in:
// writers, outside writers, and watchers that list, page, subscribe, are cut, and resume. At every bookmark a watcher's
// copy must equal the database at that bookmark's cursor.
package wire
