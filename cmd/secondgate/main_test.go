package main

import (
	"flag"
	"os"
	"testing"
)

// run gives the binary that the tests build a place, and takes it away again.
func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "secondgate-tests-")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	builtIn = dir
	return m.Run()
}

// waiting is how many tests may run at once. Most wait for a clock, a process or a database, not
// for a core: one for each core, as is the default, took twice the time.
const waiting = "6"

func TestMain(m *testing.M) {
	flag.Parse()
	asked := false
	flag.Visit(func(f *flag.Flag) { asked = asked || f.Name == "test.parallel" })
	if !asked {
		if err := flag.Set("test.parallel", waiting); err != nil {
			panic(err)
		}
	}
	os.Exit(run(m))
}
