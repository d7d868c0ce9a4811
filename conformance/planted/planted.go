// Package planted shows that tests catch bugs: it runs a test of a driver that has one.
package planted

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/secondgate/secondgate/conformance/rule"
)

// tries is how often a test is run to catch its bug: some need a race to show.
const tries = 4

// Bug is one text of a source file in place of another, which must be there once.
type Bug struct{ File, Old, New string }

// Run runs a test of the package in the working directory with a bug, until it fails. caught is false if it does not, and
// then nobody would have noticed. env is added to the environment.
func Run(t rule.T, bug Bug, test string, env ...string) (out string, caught bool) {
	t.Helper()
	overlay, err := bug.overlay(t.TempDir())
	if err != nil {
		t.Fatalf("plant a bug: %v", err)
	}
	for range tries {
		cmd := exec.Command("go", "test", "-count=1", "-overlay", overlay, "-run", test, ".")
		cmd.Env = append(os.Environ(), env...)
		combined, err := cmd.CombinedOutput()
		if out = string(combined); err != nil {
			return out, true
		}
	}
	return out, false
}

// overlay writes the damaged file, and the file that has go build read it in place of the other.
func (b Bug) overlay(dir string) (string, error) {
	file, err := filepath.Abs(b.File)
	if err != nil {
		return "", err
	}
	source, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	if strings.Count(string(source), b.Old) != 1 {
		return "", errors.New("the text to damage must be there once: " + b.Old)
	}
	damaged, overlay := filepath.Join(dir, "damaged"+filepath.Ext(file)), filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(damaged, []byte(strings.Replace(string(source), b.Old, b.New, 1)), 0o600); err != nil {
		return "", err
	}
	text, err := json.Marshal(map[string]map[string]string{"Replace": {file: damaged}})
	if err != nil {
		return "", err
	}
	return overlay, os.WriteFile(overlay, text, 0o600)
}
