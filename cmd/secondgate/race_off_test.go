//go:build !race

package main

// raceEnabled is whether this test was built with the race detector.
const raceEnabled = false

// defaultTests are all.
const defaultTests = ""
