// Package mongodbtest runs the conformance rules on a real mongod. Its outside writer is a client
// that knows nothing of the gateway and writes as mongosh does.
//
// Tests use a fresh database of a server that all tests of the process share ([Database]). Tests
// that break the server start one of their own ([Start]). A server ends with the process that
// started it, however that ends.
package mongodbtest
