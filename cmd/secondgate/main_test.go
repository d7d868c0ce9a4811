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
	setDefault("test.parallel", waiting)
	setDefault("test.run", defaultTests)
	os.Exit(run(m))
}

// setDefault sets a flag that the command line leaves out.
func setDefault(name, value string) {
	asked := false
	flag.Visit(func(f *flag.Flag) { asked = asked || f.Name == name })
	if asked {
		return
	}
	if err := flag.Set(name, value); err != nil {
		panic(err)
	}
}
