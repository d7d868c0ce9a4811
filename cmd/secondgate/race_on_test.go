//go:build race

package main

// raceEnabled is whether this test was built with the race detector.
const raceEnabled = true

// defaultTests are those in which one gateway does many things at once. The others look at flags, files,
// rights and pages, or at what a database does, where the detector sees nothing that these and the
// drivers' own tests do not show it.
const defaultTests = "^Test(AdminKeeps.*|ASecondSignal.*|Certificate.*|ConformanceCommand|Crash|Drain|Flood|" +
	"Heap.*|HTTP2WithoutTLS|KeepHeap|Memory.*|MetricsMove|SlowSenders|StalledReaders|TLS)$"
