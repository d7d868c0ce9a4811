//go:build !linux && !darwin

package sqlite

import "errors"

// writable does not know: SQLite will find out.
func writable(string, bool) error { return nil }

func freeBytes(string) (uint64, error) { return 0, errors.ErrUnsupported }
