// Package history drives a whole gateway with a seeded random history and holds what its clients
// saw to the database.
//
// [Check] runs writers, outside writers, and clients that list, page, subscribe, are cut, and
// resume. Beside them stands an oracle of the database in which the gateway has no part. At every
// bookmark a client's copy must equal the database at that bookmark's cursor.
//
// Within a run the database may be upset: crash, fail over, or be restored. What clients cannot have
// then, the writes that a restored copy lacks, is left out of account, and nothing else.
package history
