// Package postgrestest runs the conformance rules on real PostgreSQL servers. Its outside writer is
// the real psql.
//
// Tests use a fresh schema of a server that all tests of the process share ([Schema]). Tests that
// break the server start one of their own ([Start]). A server ends with the process that started
// it, however that ends.
package postgrestest
