package main

import "testing"

// inModes runs a test in both of the ways in which a gateway writes to its clients: with the flags
// of each.
func inModes(t *testing.T, f func(t *testing.T, flags ...string)) {
	t.Parallel()
	for name, flags := range map[string][]string{"fast": nil, "plain": {"--plain-sockets"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f(t, flags...)
		})
	}
}
