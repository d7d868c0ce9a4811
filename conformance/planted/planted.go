// Package planted shows that tests catch bugs: it builds the tests of a package with bugs in the code
// under test, and runs for each bug the test that must fail.
//
// All bugs for one package's tests that lie inside functions share one build, since linking costs more than
// most of the tests. An environment variable says which of them a run has. A bug outside of functions, as in an
// SQL constant, has a build of its own.
package planted

import (
	"fmt"
	"hash/fnv"
	"os"
	"os/exec"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// tries is how often a test is run to catch its bug: some need a race to show.
const tries = 4

// hung is how long a test may take that its bug keeps from ending.
const hung = 3 * time.Minute

// Bug is one text of a source file in place of another, which must be there once, and the test that
// must fail with it. Without the bug the test passes.
type Bug struct {
	Name           string
	File, Old, New string
	Test           string // what -test.run takes
	Says           string // is part of what the failing test prints
}

// id tells bugs apart. The same bug for two tests is one.
func (b Bug) id() string {
	sum := fnv.New64()
	fmt.Fprintf(sum, "%q %q %q", b.File, b.Old, b.New)
	return fmt.Sprintf("%x", sum.Sum64())
}

// under is set in the environment of a test that runs with a bug, to the bug's id.
const under = "SECONDGATE_PLANTED"

// Wait is how long a test waits for one thing. With a bug planted, what it waits for may never come,
// so a few seconds must do: on a slow machine the test then fails by itself, as it must anyway.
func Wait(patient time.Duration) time.Duration {
	if os.Getenv(under) == "" {
		return patient
	}
	return min(patient, 10*time.Second)
}

// Suite is the tests of one package, and the bugs that they must catch.
type Suite struct {
	Dir   string   // of the package whose tests are built; "" is the working directory
	Flags []string // for the test binary
	Env   []string // is added to the environment
	Bugs  []Bug
}

// Check fails for each bug that its test does not notice. In a short run it plants none.
func Check(t *testing.T, suites ...Suite) {
	t.Parallel()
	if testing.Short() {
		t.Log("the run without the race detector plants the bugs")
		return
	}
	builds := map[string]*builds{}
	for _, s := range suites {
		if builds[s.Dir] == nil {
			builds[s.Dir] = newBuilds(s.Dir, suites)
		}
		built := builds[s.Dir]
		for _, bug := range s.Bugs {
			t.Run(bug.Name, func(t *testing.T) {
				t.Parallel()
				binary, err := built.binary(bug)
				require.NoError(t, err, "plant a bug")
				out, caught := s.run(t, binary, bug)
				require.True(t, caught, "the bug was not noticed:\n%s", out)
				require.Contains(t, out, bug.Says, "it failed for another reason")
			})
		}
	}
}

// run runs the bug's test until it fails. caught is false if it does not: then nobody would have
// noticed.
func (s Suite) run(t *testing.T, binary string, bug Bug) (out string, caught bool) {
	flags := slices.Concat(s.Flags, []string{"-test.run", bug.Test, "-test.timeout", hung.String()})
	for range tries {
		cmd := exec.CommandContext(t.Context(), binary, flags...)
		cmd.Dir, cmd.Env = s.Dir, slices.Concat(os.Environ(), s.Env, []string{under + "=" + bug.id()})
		combined, err := cmd.CombinedOutput()
		if out = string(combined); err != nil {
			return out, true
		}
	}
	return out, false
}
