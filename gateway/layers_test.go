package gateway_test

import (
	"go/types"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/tools/go/packages"
)

const module = "github.com/secondgate/secondgate/"

// load type-checks packages of the gateway, with some files replaced.
func load(t *testing.T, overlay map[string][]byte, names ...string) []*packages.Package {
	t.Helper()
	config := &packages.Config{
		Mode: packages.NeedName | packages.NeedSyntax | packages.NeedTypes | packages.NeedTypesInfo |
			packages.NeedImports | packages.NeedExportFile,
		Overlay: overlay,
	}
	for i, name := range names {
		names[i] = module + name
	}
	loaded, err := packages.Load(config, append(names, module+"backends")...)
	require.NoError(t, err)
	for _, p := range loaded {
		require.Empty(t, p.Errors)
	}
	return loaded
}

// readsDatabase reports whether a type has a way to the database of its own: a method of a Backend
// that returns documents, changes or feeds.
func readsDatabase(backend *types.Interface, t types.Type) bool {
	for _, name := range []string{"Get", "List", "Since", "Gone", "Watch"} {
		want, _, _ := types.LookupFieldOrMethod(backend, true, nil, name)
		method, _, _ := types.LookupFieldOrMethod(t, true, nil, name)
		if found, ok := method.(*types.Func); ok &&
			types.Identical(found.Signature(), want.(*types.Func).Signature()) {
			return true
		}
	}
	return false
}

// ways are the expressions in packages whose type has a way to the database.
func ways(loaded []*packages.Package) (found []string) {
	var backend *types.Interface
	for _, p := range loaded {
		if p.PkgPath == module+"backends" {
			backend = p.Types.Scope().Lookup("Backend").Type().Underlying().(*types.Interface)
		}
	}
	for _, p := range loaded {
		if p.PkgPath == module+"backends" {
			continue
		}
		for expression, value := range p.TypesInfo.Types {
			if readsDatabase(backend, value.Type) {
				found = append(found, p.Fset.Position(expression.Pos()).String())
			}
		}
	}
	return found
}

var doors = []string{
	"gateway/ws", "gateway/sse", "gateway/rest", "gateway/proxy", "gateway/door", "gateway/sender",
	"gateway/agents", "gateway/approvals", "gateway/mcp", "gateway/runs",
}

func TestNoDoorHasAWayToTheDatabaseBesideTheStore(t *testing.T) {
	t.Parallel()
	require.Empty(t, ways(load(t, nil, doors...)))
}

func TestADoorWithABackendIsNoticed(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Log("the run without the race detector reads the sources")
		return
	}
	file, err := filepath.Abs("ws/reads.go")
	require.NoError(t, err)
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	bug := string(text) + "\nvar hidden interface{ backends.Ledger; backends.Backend }\n"
	require.NotEmpty(t, ways(load(t, map[string][]byte{file: []byte(bug)}, "gateway/ws")))
}

// TestJSONIsCanonicalisedByTheDecodersAlone: a request's data is canonical when it leaves protocol.
func TestJSONIsCanonicalisedByTheDecodersAlone(t *testing.T) {
	t.Parallel()
	for _, p := range load(t, nil, "gateway/ws", "gateway/rest", "gateway/store", "gateway/hub") {
		for _, used := range p.TypesInfo.Uses {
			if used.Pkg() != nil && used.Pkg().Path() == module+"protocol" {
				require.False(t, strings.HasPrefix(used.Name(), "Canonical"), "%s uses %s", p.PkgPath, used.Name())
			}
		}
	}
}
