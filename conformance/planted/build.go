package planted

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"

	"github.com/secondgate/secondgate/conformance/server"
)

// builds are the test binaries of the package in dir, each made when it is first asked for.
type builds struct {
	dir    string
	shared func() (binary string, err error) // has all bugs that lie inside functions
	own    map[string]func() (string, error) // by the id of any other bug
}

func newBuilds(dir string, suites []Suite) *builds {
	b := &builds{dir: dir, own: map[string]func() (string, error){}}
	switches := newSwitches()
	for _, s := range suites {
		for _, bug := range s.Bugs {
			if s.Dir == dir && !switches.take(bug) {
				b.own[bug.id()] = sync.OnceValues(func() (string, error) { return b.build(bug.id(), bug.replaced) })
			}
		}
	}
	b.shared = sync.OnceValues(func() (string, error) { return b.build("shared", switches.sources) })
	return b
}

func (b *builds) binary(bug Bug) (string, error) {
	if own := b.own[bug.id()]; own != nil {
		return own()
	}
	return b.shared()
}

// home is where the binaries are, until this process ends.
var home = sync.OnceValues(func() (*server.Home, error) { return server.NewHome("planted", "true", nil) })

// build builds the tests over other sources: texts of files by their absolute paths.
func (b *builds) build(name string, sources func() (map[string]string, error)) (binary string, err error) {
	texts, err := sources()
	if err != nil {
		return "", err
	}
	h, err := home()
	if err != nil {
		return "", err
	}
	dir, err := os.MkdirTemp(h.Dir, name)
	if err != nil {
		return "", err
	}
	overlay, err := writeOverlay(dir, texts)
	if err != nil {
		return "", err
	}
	binary = filepath.Join(dir, "tests")
	cmd := exec.Command("go", "test", "-c", "-ldflags", "-s -w", "-overlay", overlay, "-o", binary, ".")
	cmd.Dir = b.dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return binary, nil
}

// writeOverlay writes the texts, and the file that makes go build read them in place of the others.
func writeOverlay(dir string, texts map[string]string) (string, error) {
	replace := map[string]string{}
	for file, text := range texts {
		replace[file] = filepath.Join(dir, fmt.Sprint(len(replace), filepath.Ext(file)))
		if err := os.WriteFile(replace[file], []byte(text), 0o600); err != nil {
			return "", err
		}
	}
	overlay := filepath.Join(dir, "overlay.json")
	text, err := json.Marshal(map[string]any{"Replace": replace})
	return overlay, errors.Join(err, os.WriteFile(overlay, text, 0o600))
}

// replaced is the bug's file with the bug in it.
func (b Bug) replaced() (map[string]string, error) {
	file, source, at, err := b.find()
	if err != nil {
		return nil, err
	}
	return map[string]string{file: source[:at] + b.New + source[at+len(b.Old):]}, nil
}

// find reads the bug's file, and finds the text that the bug replaces.
func (b Bug) find() (file, source string, at int, err error) {
	file, err = filepath.Abs(b.File)
	if err != nil {
		return "", "", 0, err
	}
	read, err := os.ReadFile(file)
	if err != nil {
		return "", "", 0, err
	}
	source = string(read)
	if n := strings.Count(source, b.Old); n != 1 {
		return "", "", 0, fmt.Errorf("%s must have this text once, not %d times: %s", b.File, n, b.Old)
	}
	return file, source, strings.Index(source, b.Old), nil
}
