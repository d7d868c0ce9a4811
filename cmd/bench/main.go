// Command bench measures the gateway beside its floors, interleaved in one run, and prints medians,
// ranges and ratios.
//
// A figure without its floor says more about the machine than about the gateway; so every line is a
// ratio to the plain thing done by hand on the same machine, in the same minute.
package main

import (
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"runtime/pprof"
	"slices"
	"strings"
	"time"
)

// plan says what to measure.
type plan struct {
	dir     string
	binary  string
	rounds  int
	time    time.Duration
	callers int
	// postgres is the URL of a server to measure; empty for none.
	postgres string
	mongodb  string // the same for MongoDB
	only     string
	// over is the database of the parts that are measured over each of them.
	over    *database
	started []func() error // servers, and how to end each
	// url is a gateway that runs already, empty for one of our own; pid its process, 0 if that is not
	// known.
	url string
	pid int
	// attack is the only one of hostile, empty for all. attackTime is how long each takes, settle how
	// long its memory may take to come back.
	attack             string
	attackTime, settle time.Duration
}

func main() {
	p := plan{}
	flag.StringVar(&p.binary, "gateway", "bin/secondgate", "the gateway's binary")
	flag.StringVar(
		&p.dir, "dir", "", "folder for the databases, on the disk to measure (default: a temporary one)",
	)
	flag.IntVar(&p.rounds, "rounds", 7, "rounds of each measurement")
	flag.DurationVar(&p.time, "time", 2*time.Second, "time of one measurement of writes")
	flag.IntVar(&p.callers, "callers", 32, "callers that write at once")
	flag.StringVar(
		&p.postgres, "postgres", "",
		"URL of a PostgreSQL database to measure, with at least one parameter, whose schemas bench and "+
			"bench_plain are made anew (default: a server of its own)",
	)
	flag.StringVar(
		&p.mongodb, "mongodb", "",
		"URL of a MongoDB replica set to measure, whose databases bench and bench_plain are made anew "+
			"(default: a server of its own)",
	)
	flag.StringVar(
		&p.only, "only", "",
		"measure these alone, by commas: writes, audit, fanout, latency, burst, trouble, scopes, idle, lists, hostile, growth, "+
			"held, access, upserts, and what the drivers do by themselves: postgres, mongodb",
	)
	over := flag.String("over", "sqlite", "the databases to measure over, by commas: sqlite, postgres, mongodb")
	flag.StringVar(
		&p.url, "url", "",
		"a gateway that runs, such as http://127.0.0.1:8080: only what can be measured from outside is then; "+
			"it is written to in the workspace bench",
	)
	flag.IntVar(&p.pid, "pid", 0, "its process, on this machine, for CPU and memory")
	flag.StringVar(&p.attack, "attack", "", "the only attack of hostile (default: all)")
	flag.DurationVar(&p.attackTime, "attack-time", 10*time.Second, "time of each attack of hostile")
	flag.DurationVar(&p.settle, "settle", time.Minute, "time for the memory to come back after each attack")
	attackers := flag.String("be", "", "be the attackers of this attack of hostile, at -url")
	raw := flag.Bool("raw", false, "be the raw writer, the floor of fanout")
	crowds := flag.Bool("crowd", false, "be the clients in trouble")
	profile := flag.String("cpuprofile", "", "file for a CPU profile of this process")
	flag.Parse()
	switch {
	case *raw:
		log.Fatal(serveRaw())
	case *attackers != "":
		if err := serveBand(*attackers, p.url); err != nil {
			log.Fatal(err)
		}
		return
	case *crowds:
		if err := serveCrowd(); err != nil {
			log.Fatal(err)
		}
		return
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
	if err := p.run(strings.Split(*over, ",")); err != nil {
		log.Fatal(err)
	}
}

func (p *plan) run(over []string) (err error) {
	if p.dir == "" {
		dir, err := os.MkdirTemp("", "secondgate-bench")
		if err != nil {
			return err
		}
		defer func() { _ = os.RemoveAll(dir) }()
		p.dir = dir
	}
	defer func() {
		for _, end := range p.started {
			err = errors.Join(err, end())
		}
	}()
	if p.url != "" {
		over = []string{"sqlite"} // the floors'
		fmt.Println("The gateway is", p.url, "and the floors are this program's own, on SQLite in", p.dir)
	}
	fmt.Printf("%d callers, %d rounds of %v, interleaved; median [least, most]\n\n", p.callers, p.rounds, p.time)
	databases, err := p.databases(over)
	if err != nil {
		return err
	}
	for _, p.over = range databases {
		if err := p.parts(overEach); err != nil {
			return err
		}
	}
	return p.parts(ofOne)
}

// part can be measured by itself.
type part struct {
	name string
	run  func(*plan) error
	wire bool // it is measured from outside
}

var (
	// overEach are measured over each database.
	overEach = []part{
		{"writes", benchWrites, true}, {"audit", benchAudit, false}, {"fanout", benchFanout, true}, {"latency", benchLatency, true},
		{"burst", benchBurst, false},
		{
			"trouble", benchTrouble, true,
		}, {"scopes", benchScopes, true}, {"idle", benchIdle, true}, {"lists", benchLists, false},
		{"hostile", benchHostile, false}, {"growth", benchGrowth, false}, {"held", benchHeld, false},
		{"access", benchAccess, false},
	}
	// ofOne are of one of them.
	ofOne = []part{
		{"upserts", benchUpserts, false}, {"postgres", benchPostgres, false}, {"mongodb", benchMongoDB, false},
	}
)

func (p *plan) parts(all []part) error {
	for _, one := range all {
		if p.only != "" && !slices.Contains(strings.Split(p.only, ","), one.name) || p.url != "" && !one.wire {
			continue
		}
		if err := one.run(p); err != nil {
			return err
		}
	}
	return nil
}

// interleave runs each measurement once per round, in turn: other work of the machine then hits all
// alike.
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
