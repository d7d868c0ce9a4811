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
	"runtime/pprof"
	"slices"
	"strings"
	"time"
)

// plan is what to measure.
type plan struct {
	dir     string
	binary  string
	rounds  int
	time    time.Duration
	callers int
	// postgres is the URL of a server to measure, empty for none; only what is asked for runs.
	postgres string
	mongodb  string // the same for MongoDB
	only     string
	// url is a gateway that runs already, empty for one of our own; pid its process, 0 if that is not known.
	url string
	pid int
}

func main() {
	p := plan{}
	flag.StringVar(&p.binary, "gateway", "bin/secondgate", "the gateway's binary")
	flag.StringVar(&p.dir, "dir", "", "folder for the databases, on the disk to measure (default: a temporary one)")
	flag.IntVar(&p.rounds, "rounds", 7, "rounds of each measurement")
	flag.DurationVar(&p.time, "time", 2*time.Second, "time of one measurement of writes")
	flag.IntVar(&p.callers, "callers", 32, "callers that write at once")
	flag.StringVar(&p.postgres, "postgres", "", "URL of a PostgreSQL database to measure, with at least one parameter, whose schemas bench and bench_plain are made anew (default: a server of its own)")
	flag.StringVar(&p.mongodb, "mongodb", "", "URL of a MongoDB replica set to measure, whose databases bench and bench_plain are made anew (default: a server of its own)")
	flag.StringVar(&p.only, "only", "", "measure these alone, by commas: writes, fanout, latency, trouble, scopes, idle, lists, upserts, postgres, mongodb")
	flag.StringVar(&p.url, "url", "", "a gateway that runs, such as http://127.0.0.1:8080: only what can be measured from outside is then; it is written to in the workspace bench")
	flag.IntVar(&p.pid, "pid", 0, "its process, on this machine, for CPU and memory")
	raw := flag.Bool("raw", false, "be the raw writer, the floor of fanout")
	profile := flag.String("cpuprofile", "", "file for a CPU profile of this process")
	flag.Parse()
	if *raw {
		log.Fatal(serveRaw())
	}
	if *profile != "" {
		file, err := os.Create(*profile)
		if err == nil {
			err = pprof.StartCPUProfile(file)
		}
		if err != nil {
			log.Fatal(err)
		}
		defer pprof.StopCPUProfile()
	}
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
	if p.url != "" {
		fmt.Println("The gateway is", p.url, "and the floors are this program's own, on SQLite in", p.dir)
	}
	fmt.Printf("SQLite, synchronous=FULL, %d callers, %d rounds of %v, interleaved; median [least, most]\n\n", p.callers, p.rounds, p.time)
	for _, part := range []struct {
		name string
		run  func(*plan) error
		wire bool // it is measured from outside
	}{
		{"writes", benchWrites, true}, {"fanout", benchFanout, true}, {"latency", benchLatency, true},
		{"trouble", benchTrouble, true}, {"scopes", benchScopes, true}, {"idle", benchIdle, true},
		{"lists", benchLists, false}, {"upserts", benchUpserts, false},
		{"postgres", benchPostgres, false}, {"mongodb", benchMongoDB, false},
	} {
		if p.only != "" && !slices.Contains(strings.Split(p.only, ","), part.name) || p.url != "" && !part.wire {
			continue
		}
		if err := part.run(p); err != nil {
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
