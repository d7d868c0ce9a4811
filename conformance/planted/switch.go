package planted

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
)

// switches are sources in which a function with a bug begins by asking whether this run has the bug. If
// so, a faulty copy of its body runs in place of the rest.
type switches struct {
	files    map[string]string      // sources by path
	faulty   map[string][]insertion // by path
	packages map[string]string      // names of packages by directory
	taken    map[string]bool        // ids of bugs
}

// insertion is a faulty body, and where the true one begins.
type insertion struct {
	at   int
	text string
}

func newSwitches() *switches {
	return &switches{
		files: map[string]string{}, faulty: map[string][]insertion{}, packages: map[string]string{},
		taken: map[string]bool{},
	}
}

// take takes a bug that lies inside a function.
func (s *switches) take(bug Bug) bool {
	if s.taken[bug.id()] {
		return true
	}
	file, source, at, err := bug.find()
	if err != nil || filepath.Ext(file) != ".go" {
		return false // the bug's own build tells the error
	}
	parsed, err := parser.ParseFile(token.NewFileSet(), file, source, parser.SkipObjectResolution)
	if err != nil {
		return false
	}
	f := functionAround(parsed, at, at+len(bug.Old))
	if f == nil {
		return false
	}
	begin, end := offset(parsed, f.Body.Lbrace)+1, offset(parsed, f.Body.Rbrace)
	body := source[begin:at] + bug.New + source[at+len(bug.Old):end]
	if f.Type.Results == nil {
		body += "\nreturn\n"
	}
	text := fmt.Sprintf("\nif plantedBug == %q {%s}\n", bug.id(), body)
	s.files[file], s.packages[filepath.Dir(file)] = source, parsed.Name.Name
	s.faulty[file] = append(s.faulty[file], insertion{begin, text})
	s.taken[bug.id()] = true
	return true
}

// functionAround is the function whose body has the bytes from begin to end.
func functionAround(file *ast.File, begin, end int) *ast.FuncDecl {
	for _, d := range file.Decls {
		f, ok := d.(*ast.FuncDecl)
		if ok && f.Body != nil && offset(file, f.Body.Lbrace) < begin && end <= offset(file, f.Body.Rbrace) {
			return f
		}
	}
	return nil
}

// offset is a position's place in its file.
func offset(file *ast.File, at token.Pos) int { return int(at - file.FileStart) }

// sources are the files with all bugs, and for each package one that says which bug the run has.
func (s *switches) sources() (map[string]string, error) {
	out := map[string]string{}
	for file, source := range s.files {
		out[file] = insertAll(source, s.faulty[file])
	}
	for dir, name := range s.packages {
		out[filepath.Join(dir, "planted_bug.go")] = fmt.Sprintf(
			"package %s\n\nimport \"os\"\n\nvar plantedBug = os.Getenv(%q)\n", name, under)
	}
	return out, nil
}

// insertAll inserts from the end of the source on, so that the places before stay where they are.
func insertAll(source string, all []insertion) string {
	slices.SortFunc(all, func(a, b insertion) int { return b.at - a.at })
	for _, i := range all {
		source = source[:i.at] + i.text + source[i.at:]
	}
	return source
}
