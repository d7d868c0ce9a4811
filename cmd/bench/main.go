// Command bench measures the gateway beside its floors, interleaved in one run, and prints medians, ranges and ratios.
//
// A figure without its floor says more about the machine than about the gateway; so every line is a ratio to the
// plain thing done by hand on the same machine, in the same minute.
package main

import (
	"flag"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"time"
)

// plan is what to measure.
type plan struct {
	dir     string
	binary  string
	rounds  int
	time    time.Duration
	callers int
}

func main() {
	p := plan{}
	flag.StringVar(&p.binary, "gateway", "bin/secondgate", "the gateway's binary")
	flag.StringVar(&p.dir, "dir", "", "folder for the databases, on the disk to measure (default: a temporary one)")
	flag.IntVar(&p.rounds, "rounds", 7, "rounds of each measurement")
	flag.DurationVar(&p.time, "time", 2*time.Second, "time of one measurement of writes")
	flag.IntVar(&p.callers, "callers", 32, "callers that write at once")
	flag.Parse()
	if err := p.run(); err != nil {
		log.Fatal(err)
	}
}

func (p *plan) run() error {
	if p.dir == "" {
		dir, err := os.MkdirTemp("", "secondgate-bench")
		if err != nil {
			return err
		}
		defer func() { _ = os.RemoveAll(dir) }()
		p.dir = dir
	}
	fmt.Printf("SQLite, synchronous=FULL, %d callers, %d rounds of %v, interleaved; median [least, most]\n\n", p.callers, p.rounds, p.time)
	for _, part := range []func(*plan) error{benchWrites, benchLists, benchUpserts} {
		if err := part(p); err != nil {
			return err
		}
	}
	return nil
}

func (p *plan) file(name string) string { return filepath.Join(p.dir, name+".db") }

// interleave runs each measurement once per round, in turn, so that what else the machine does hits all alike.
func (p *plan) interleave(measurements ...func() error) error {
	for range p.rounds {
		for _, m := range measurements {
			if err := m(); err != nil {
				return err
			}
		}
	}
	return nil
}
