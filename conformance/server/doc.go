// Package server runs database servers for tests, on the loopback interface. They end with the
// process that started them, however that ends.
package server
