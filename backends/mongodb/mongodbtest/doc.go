// Package mongodbtest lets the conformance rules at a real mongod. Its outsider is a client that
// knows nothing of the gateway and writes as mongosh does.
//
// Tests take a fresh database of a server that all tests of the process share ([Database]); those
// that break the server start one of their own ([Start]). A server ends with the process that
// started it, however that ends.
package mongodbtest
