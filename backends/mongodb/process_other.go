//go:build !unix

package mongodb

// runs tells whether there is a process of that number; here nobody knows, and its silence has to tell.
func runs(int) bool { return true }
