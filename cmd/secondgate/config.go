package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

const envPrefix = "SECONDGATE"

// secretTag marks flags whose value may hold a password: it is printed redacted, and
// SECONDGATE_<FLAG>_FILE may name a file that holds it.
const secretTag = "secret"

// configFile resolves flags that the command line does not set, from the file of a secret and then
// from --config. The library's own resolvers would go before the environment and take no notice of
// a name that is no flag's.
type configFile struct {
	loaded bool
	values map[string]any
}

var _ kong.Resolver = (*configFile)(nil)

// Validate implements [kong.Resolver].
func (f *configFile) Validate(*kong.Application) error { return nil }

// Resolve implements [kong.Resolver].
func (f *configFile) Resolve(ctx *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	if secret, found, err := fromSecretFile(flag); found || err != nil {
		return secret, err
	}
	if inEnvironment(flag) || isMeta(flag.Name) {
		return nil, nil // nil: not resolved here
	}
	if err := f.load(ctx); err != nil {
		return nil, err
	}
	value, set := f.values[flag.Name]
	if !set {
		return nil, nil
	}
	return value, checkKind(flag, value)
}

func inEnvironment(flag *kong.Flag) bool {
	return slices.ContainsFunc(flag.Envs, func(name string) bool {
		_, set := os.LookupEnv(name)
		return set
	})
}

// isMeta reports whether a flag is about the command line itself. No file can set such a flag.
func isMeta(name string) bool { return slices.Contains([]string{"config", "help", "version"}, name) }

func fromSecretFile(flag *kong.Flag) (secret any, found bool, err error) {
	if !flag.Tag.Has(secretTag) || len(flag.Envs) == 0 {
		return nil, false, nil
	}
	variable := flag.Envs[0] + "_FILE"
	path := os.Getenv(variable)
	switch {
	case path == "":
		return nil, false, nil
	case inEnvironment(flag):
		return nil, false, badSetting("both %s and %s are set: unset one", flag.Envs[0], variable)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, false, badSetting("the file that %s names cannot be read: %s", variable, reason(err))
	}
	return strings.TrimRight(string(text), "\r\n"), true, nil
}

// load reads the file once, and refuses names that no flag has.
func (f *configFile) load(ctx *kong.Context) error {
	if f.loaded {
		return nil
	}
	f.loaded = true
	path := configPath(ctx)
	if path == "" {
		return nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return badSetting("the configuration cannot be read: %s", reason(err))
	}
	if err := json.Unmarshal(text, &f.values); err != nil {
		return badSetting("the configuration %s is no JSON object%s", path, place(err))
	}
	known := flagNames(ctx.Model.Node)
	for name, value := range f.values {
		if !slices.Contains(known, name) {
			return badSetting("the configuration %s sets%s, which is no flag: did you mean %q?",
				path, quoted(name), nearest(name, known))
		}
		if value == nil {
			return badSetting("the configuration %s sets %q to null: leave it out, or give it a value",
				path, name)
		}
	}
	return nil
}

// reason is why a file cannot be read, without its path: somebody may have put the secret there.
func reason(err error) string {
	var failed *fs.PathError
	if errors.As(err, &failed) {
		return failed.Err.Error()
	}
	return "it is no file"
}

// place is where JSON goes wrong. The error's own text may quote from there.
func place(err error) string {
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		return fmt.Sprintf(": look at byte %d", syntax.Offset)
	}
	return ""
}

func quoted(name string) string {
	if !plainName.MatchString(name) {
		return " something"
	}
	return fmt.Sprintf(" %q", name)
}

func configPath(ctx *kong.Context) string {
	for _, flag := range ctx.Model.Flags {
		if flag.Name == "config" {
			path, _ := ctx.FlagValue(flag).(string)
			return path
		}
	}
	return ""
}

// flagNames are the flags of all commands: one file may serve them all.
func flagNames(node *kong.Node) (names []string) {
	for _, flag := range node.Flags {
		if !isMeta(flag.Name) {
			names = append(names, flag.Name)
		}
	}
	for _, child := range node.Children {
		names = append(names, flagNames(child)...)
	}
	return names
}

// nearest is the candidate that the fewest edits lead to.
func nearest(name string, candidates []string) string {
	return slices.MinFunc(candidates, func(a, b string) int { return edits(name, a) - edits(name, b) })
}

// edits is the Levenshtein distance.
func edits(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

// printConfig logs the settings in effect, in one line and without secrets.
func printConfig(ctx *kong.Context, log *slog.Logger) {
	args := []any{}
	for _, flag := range ctx.Flags() {
		if isMeta(flag.Name) {
			continue
		}
		value := flag.Target.Interface()
		switch v := value.(type) {
		case string:
			if flag.Tag.Has(secretTag) {
				value = redact(v)
			}
		case *url.URL:
			if v != nil {
				value = shownURL(v.String())
			}
		}
		args = append(args, flag.Name, fmt.Sprint(value))
	}
	log.Info("the configuration in effect", args...)
}

// unknownVariables are the variables with our prefix that no flag has: most likely mistyped.
func unknownVariables(app *kong.Application, environment []string) (unknown []string) {
	known := []string{}
	var collect func(node *kong.Node)
	collect = func(node *kong.Node) {
		for _, flag := range node.Flags {
			known = append(known, flag.Envs...)
			if flag.Tag.Has(secretTag) && len(flag.Envs) > 0 {
				known = append(known, flag.Envs[0]+"_FILE")
			}
		}
		for _, child := range node.Children {
			collect(child)
		}
	}
	collect(app.Node)
	for _, variable := range environment {
		name, _, _ := strings.Cut(variable, "=")
		if strings.HasPrefix(name, envPrefix+"_") && !slices.Contains(known, name) {
			unknown = append(unknown, name)
		}
	}
	return unknown
}
