// Package planted shows that tests catch bugs: it builds the tests of a package with one bug in the
// code under test, and runs the test that must fail.
package planted

import (
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/secondgate/secondgate/conformance/rule"
	"github.com/secondgate/secondgate/conformance/server"
)

// tries is how often a test is run to catch its bug: some need a race to show.
const tries = 4

// Bug is one text of a source file in place of another, which must be there once.
type Bug struct {
	File, Old, New string
	// Tests is the directory of the package whose tests are built with the bug; "" is the working
	// directory.
	Tests string
}

// under is set in the environment of a test that runs with a bug.
const under = "SECONDGATE_PLANTED"

// Wait is how long a test waits for one thing. With a bug planted, what it waits for may never come,
// so a few seconds must do: on a slow machine the test then fails by itself, as it must anyway.
func Wait(patient time.Duration) time.Duration {
	if os.Getenv(under) == "" {
		return patient
	}
	return min(patient, 10*time.Second)
}

// Run runs a test with a bug until it fails. caught is false if it does not: then nobody would have
// noticed. env is added to the environment. Tests with the same bug share one build.
func Run(t rule.T, bug Bug, test string, env ...string) (out string, caught bool) {
	t.Helper()
	return RunWith(t, bug, []string{"-test.run", test}, env...)
}

// RunWith is Run with the flags of a test binary.
func RunWith(t rule.T, bug Bug, flags []string, env ...string) (out string, caught bool) {
	t.Helper()
	build, _ := builds.LoadOrStore(bug, sync.OnceValues(bug.build))
	binary, err := build.(func() (string, error))()
	if err != nil {
		t.Fatalf("plant a bug: %v", err)
	}
	for range tries {
		cmd := exec.CommandContext(t.Context(), binary, flags...)
		cmd.Dir, cmd.Env = bug.Tests, append(append(os.Environ(), under+"=1"), env...)
		combined, err := cmd.CombinedOutput()
		if out = string(combined); err != nil {
			return out, true
		}
	}
	return out, false
}

// builds are functions that return the test binary of a Bug.
var builds sync.Map

// home is where the binaries are, until this process ends.
var home = sync.OnceValues(func() (*server.Home, error) { return server.NewHome("planted", "true", nil) })

func (b Bug) build() (binary string, err error) {
	h, err := home()
	if err != nil {
		return "", err
	}
	name := fnv.New64()
	fmt.Fprintf(name, "%q", b)
	dir := filepath.Join(h.Dir, fmt.Sprintf("%x", name.Sum64()))
	if err := os.Mkdir(dir, 0o700); err != nil {
		return "", err
	}
	overlay, err := b.overlay(dir)
	if err != nil {
		return "", err
	}
	binary = filepath.Join(dir, "tests")
	tests := b.Tests
	if tests == "" {
		tests = "."
	}
	cmd := exec.Command("go", "test", "-c", "-ldflags", "-s -w", "-overlay", overlay, "-o", binary, tests)
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return binary, nil
}

// overlay writes the faulty file, and the file that makes go build read it in place of the other.
func (b Bug) overlay(dir string) (string, error) {
	file, err := filepath.Abs(b.File)
	if err != nil {
		return "", err
	}
	source, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	if n := strings.Count(string(source), b.Old); n != 1 {
		return "", fmt.Errorf("%s must have this text once, not %d times: %s", b.File, n, b.Old)
	}
	faulty, overlay := filepath.Join(dir, "faulty"+filepath.Ext(file)), filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(faulty, []byte(strings.Replace(string(source), b.Old, b.New, 1)), 0o600); err != nil {
		return "", err
	}
	text, err := json.Marshal(map[string]map[string]string{"Replace": {file: faulty}})
	return overlay, errors.Join(err, os.WriteFile(overlay, text, 0o600))
}
