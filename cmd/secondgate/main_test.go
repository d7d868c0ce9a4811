package main

import (
	"flag"
	"os"
	"testing"
)

// waiting is how many tests may run at once. Most wait for a clock, a process or a database, not for a core: one for each core,
// as is the default, took twice the time.
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
	os.Exit(m.Run())
}
