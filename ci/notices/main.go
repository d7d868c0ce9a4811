// Command notices prints the licences and notices of everything that the binary links, from the
// module cache and the Go installation: go run ./ci/notices > NOTICES. Its test fails when NOTICES
// is not what it prints.
package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// systems are the operating systems that the binary is built for: each may link other modules.
var systems = []string{"linux", "darwin", "windows"}

func main() {
	if err := write(os.Stdout, "."); err != nil {
		fmt.Fprintln(os.Stderr, "notices:", err)
		os.Exit(1)
	}
}

// module is a module that is linked, with the directories of its linked packages.
type module struct {
	path, version, dir string
	packages           []string
}

// write prints the notices of the binary of the module at root.
func write(w io.Writer, root string) error {
	modules, err := linked(root)
	if err != nil {
		return err
	}
	goroot, err := run(root, nil, "env", "GOROOT")
	if err != nil {
		return err
	}
	fmt.Fprint(w, "secondgate itself is under the MIT license: see LICENSE. "+
		"Its binary contains the following.\n"+
		"go run ./ci/notices > NOTICES writes this file.\n")
	standard := module{path: "the Go standard library and runtime", dir: strings.TrimSpace(goroot)}
	for _, m := range append([]module{standard}, modules...) {
		if err := m.write(w); err != nil {
			return err
		}
	}
	page, err := os.ReadFile(filepath.Join(root, "web", "demo", "dist", "LICENSES.txt")) // by web/demo/build.mjs
	if err != nil {
		return err
	}
	_, err = w.Write(page)
	return err
}

// linked are the modules that the binary links on any of the systems, by their paths.
func linked(root string) (modules []module, err error) {
	const format = "{{with .Module}}{{if not .Main}}{{.Path}}\t{{.Version}}\t{{.Dir}}\t{{$.Dir}}{{end}}{{end}}"
	for _, system := range systems {
		environment := []string{"GOOS=" + system, "CGO_ENABLED=0"}
		out, err := run(root, environment, "list", "-deps", "-f", format, "./cmd/secondgate")
		if err != nil {
			return nil, err
		}
		for line := range strings.Lines(out) {
			fields := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
			if len(fields) != 4 {
				continue // the standard library, or a package of our own
			}
			i := slices.IndexFunc(modules, func(m module) bool { return m.path == fields[0] })
			if i < 0 {
				i = len(modules)
				modules = append(modules, module{path: fields[0], version: fields[1], dir: fields[2]})
			}
			modules[i].packages = append(modules[i].packages, fields[3])
		}
	}
	slices.SortFunc(modules, func(a, b module) int { return strings.Compare(a.path, b.path) })
	return modules, nil
}

func run(dir string, environment []string, args ...string) (string, error) {
	command := exec.Command("go", args...)
	command.Dir, command.Env = dir, append(os.Environ(), environment...)
	var failed bytes.Buffer
	command.Stderr = &failed
	out, err := command.Output()
	if err != nil {
		return "", fmt.Errorf("go %s: %w: %s", args[0], err, failed.String())
	}
	return string(out), nil
}

// notice is a file that must go with the binary.
var notice = regexp.MustCompile(`^(?i:licen[cs]e|copying|notice|third-party|patents)(?:[-._].*)?$`)

// license is a notice that grants the right to use the module.
var license = regexp.MustCompile(`^(?i:licen[cs]e|copying)`)

// write prints the notices of the module: those of its root, and those beside and above its linked
// packages. It fails if the module has no license.
func (m module) write(w io.Writer) error {
	files, err := m.notices()
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(files, license.MatchString) {
		return fmt.Errorf("%s in %s has no license that could be found", m.path, m.dir)
	}
	for _, name := range files {
		text, err := os.ReadFile(filepath.Join(m.dir, name))
		if err != nil {
			return err
		}
		title := strings.TrimSpace(m.path+" "+m.version) + ", " + filepath.ToSlash(name)
		fmt.Fprintf(w, "\n%s\n%s\n\n%s\n", title, strings.Repeat("=", len(title)), clean(text))
	}
	return nil
}

// clean is a text without spaces at the ends of lines, which editors would take away.
func clean(text []byte) []byte {
	lines := bytes.Split(text, []byte("\n"))
	for i := range lines {
		lines[i] = bytes.TrimRight(lines[i], " \t\r\f")
	}
	return bytes.Trim(bytes.Join(lines, []byte("\n")), "\n")
}

// notices are the files of the module, the root's first.
func (m module) notices() (files []string, err error) {
	dirs := []string{m.dir}
	for _, dir := range m.packages {
		for ; len(dir) > len(m.dir); dir = filepath.Dir(dir) {
			if !slices.Contains(dirs, dir) {
				dirs = append(dirs, dir)
			}
		}
	}
	slices.Sort(dirs)
	for _, dir := range dirs {
		entries, err := os.ReadDir(dir)
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			if !e.IsDir() && notice.MatchString(e.Name()) && !strings.HasSuffix(e.Name(), ".go") {
				name, err := filepath.Rel(m.dir, filepath.Join(dir, e.Name()))
				if err != nil {
					return nil, err
				}
				files = append(files, name)
			}
		}
	}
	return files, nil
}
