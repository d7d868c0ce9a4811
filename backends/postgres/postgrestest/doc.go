// Package postgrestest lets the conformance rules at real PostgreSQL servers. Its outsider is the
// real psql.
//
// Tests take a fresh schema of a server that all tests of the process share ([Schema]); those that
// break the server start one of their own ([Start]). A server ends with the process that started
// it, however that ends.
package postgrestest
