// Command testsum reads the output of go test -json, prints what go test prints without -json, and lists the
// slowest packages and tests at the end. It fails if a test did.
//
// A line that is no JSON is shown as it is. One that begins with == heads a pass: what follows is listed
// under its words up to a colon.
package main

import (
	"bufio"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
)

// slowest is how many packages and tests are listed.
const slowest = 10

// event is a line of go test -json, see go doc test2json.
type event struct {
	Action, Package, ImportPath, Test, Output string
	Elapsed                                   float64
}

// took is how long a package or a test of one pass took, in seconds.
type took struct {
	seconds float64
	name    string
}

type summary struct {
	out             io.Writer
	pass            string
	held            map[string][]string // output of tests that may pass, by package and test
	packages, tests []took
	failed          bool
}

func main() {
	s := &summary{out: os.Stdout, held: map[string][]string{}}
	if err := s.read(os.Stdin); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	s.close()
	if s.failed {
		os.Exit(1)
	}
}

func (s *summary) read(in io.Reader) error {
	lines := bufio.NewReader(in)
	for {
		line, err := lines.ReadString('\n')
		if line != "" {
			s.line(line)
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (s *summary) line(line string) {
	var e event
	if !strings.HasPrefix(line, "{") || json.Unmarshal([]byte(line), &e) != nil {
		if pass, heads := strings.CutPrefix(line, "== "); heads {
			s.pass, _, _ = strings.Cut(strings.TrimSpace(pass), ":")
		}
		fmt.Fprint(s.out, line)
		return
	}
	switch key := e.Package + " " + e.Test; e.Action {
	case "build-output":
		fmt.Fprint(s.out, e.Output)
	case "output":
		if e.Test != "" {
			s.held[key] = append(s.held[key], e.Output)
		} else if e.Output != "PASS\n" {
			fmt.Fprint(s.out, e.Output)
		}
	case "pass", "skip":
		delete(s.held, key)
		s.note(e)
	case "fail":
		s.failed = true
		s.show(key)
		if e.Test == "" {
			s.unfinished(e.Package)
		}
		s.note(e)
	}
}

// note keeps how long a package or a test took.
func (s *summary) note(e event) {
	name := e.Package[strings.LastIndex(e.Package, "secondgate/")+len("secondgate/"):]
	switch {
	case e.Test == "":
		s.packages = append(s.packages, took{e.Elapsed, name + s.label()})
	default:
		s.tests = append(s.tests, took{e.Elapsed, name + " " + e.Test + s.label()})
	}
}

func (s *summary) label() string {
	if s.pass == "" {
		return ""
	}
	return " (" + s.pass + ")"
}

// show prints what a test has said. Lines about its running are left out, as go test does without -v.
func (s *summary) show(key string) {
	for _, text := range s.held[key] {
		if !strings.HasPrefix(text, "=== ") {
			fmt.Fprint(s.out, text)
		}
	}
	delete(s.held, key)
}

// unfinished prints what the tests of a package said that neither passed nor failed: one of them panicked,
// or the time was over.
func (s *summary) unfinished(pkg string) {
	for key := range s.held {
		if strings.HasPrefix(key, pkg+" ") {
			s.show(key)
		}
	}
}

func (s *summary) close() {
	s.list("packages", s.packages)
	s.list("tests", s.tests)
}

func (s *summary) list(what string, all []took) {
	slices.SortStableFunc(all, func(a, b took) int { return cmp.Compare(b.seconds, a.seconds) })
	fmt.Fprintf(s.out, "== the slowest %s\n", what)
	for _, t := range all[:min(slowest, len(all))] {
		fmt.Fprintf(s.out, "%7.1fs  %s\n", t.seconds, t.name)
	}
}
