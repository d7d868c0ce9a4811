//go:build race

package main

// raceEnabled is whether this test was built with the race detector.
const raceEnabled = true
