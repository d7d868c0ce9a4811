//go:build !unix

package mongodb

// alive does not know whether there is a process of that number: its lease has to expire.
func alive(int) bool { return true }
