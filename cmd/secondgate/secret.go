package main

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/alecthomas/kong"
)

// hidden stands for a value that may hold a password.
const hidden = "(hidden)"

// settingError says what is wrong with a setting and what to write. It holds nothing of the value:
// a password may have slipped into any of them.
type settingError string

func (e settingError) Error() string { return string(e) }

func badSetting(format string, args ...any) error { return settingError(fmt.Sprintf(format, args...)) }

// wellFormed is a URL whose hosts and ports are where they belong. An @ behind them is that of a
// password that is not percent-encoded.
var wellFormed = regexp.MustCompile(`^(postgres(?:ql)?|mongodb(?:\+srv)?|https?)://(?:[^/?#]*@)?` +
	`((?:` + hostPort + `(?:,` + hostPort + `)*)?)(?:[/?][^@#]*)?$`)

const hostPort = `(?:[A-Za-z0-9._%-]+|\[[0-9A-Fa-f:.%]+\])(?::[0-9]{1,5})?`

// plainURL is a web address that can be shown: it has no user, no query and no fragment.
var plainURL = regexp.MustCompile(`^https?://` + hostPort + `(?:/[A-Za-z0-9._~/-]*)?$`)

// shownURL is the scheme and the hosts of a well-formed URL, and of any other text nothing.
func shownURL(address string) string {
	parts := wellFormed.FindStringSubmatch(address)
	if parts == nil {
		return hidden
	}
	return parts[1] + "://" + parts[2]
}

// redact is a backend's address for people and logs.
func redact(address string) string {
	scheme, path, _ := strings.Cut(address, ":")
	switch {
	case address == "":
		return ""
	case scheme == "sqlite" && isPlainPath(path):
		return address
	}
	return shownURL(address)
}

// isPlainPath is false for what must be another database's address, such as u:secret@host/db.
func isPlainPath(path string) bool { return path != "" && !notPath.MatchString(path) }

var notPath = regexp.MustCompile(`:.*@|[^/]+://|(?i)(password|passwd|pwd|key|secret|token)\s*=|[\x00-\x1f]`)

// checkAddress fails on an address of a database that is malformed. What a driver would say of it,
// and what would be logged, could hold the password.
func checkAddress(address string) error {
	scheme, path, _ := strings.Cut(address, ":")
	switch {
	case scheme == "sqlite" && isPlainPath(path):
		return nil
	case scheme == "sqlite" && path != "":
		return badSetting("the path of the SQLite file is no path: write sqlite:PATH and nothing else")
	case isPostgres(scheme) && shownURL(address) == hidden:
		return badSetting("the PostgreSQL URL cannot be read: " +
			"write postgres://USER:PASSWORD@HOST:PORT/DATABASE, " +
			"and percent-encode what is special in its parts, such as @ as %%40")
	case isMongo(scheme) && shownURL(address) == hidden:
		return badSetting("the MongoDB URL cannot be read: " +
			"write mongodb://USER:PASSWORD@HOST:PORT/DATABASE, " +
			"and percent-encode what is special in its parts, such as @ as %%40")
	case isPostgres(scheme), isMongo(scheme):
		return nil
	}
	return errUnsupported
}

// checkDirect is checkAddress for the direct connection, which there need not be.
func checkDirect(address string) error {
	scheme, _, _ := strings.Cut(address, ":")
	switch {
	case address == "":
		return nil
	case !isPostgres(scheme):
		return badSetting("the direct connection is not supported: write postgres://USER@HOST/DATABASE")
	}
	return checkAddress(address)
}

const errUnsupported = settingError("the backend is not supported: write sqlite:PATH, " +
	"postgres://USER@HOST/DATABASE or mongodb://HOST/DATABASE?replicaSet=NAME")

// parseArgs parses a command line. The library's errors quote values; those returned here do not.
func parseArgs(parser *kong.Kong, args []string) (*kong.Context, error) {
	parsed, err := parser.Parse(args)
	if err != nil {
		return nil, withoutValues(parser.Model, err)
	}
	return parsed, nil
}

var (
	flagOf      = regexp.MustCompile(`^(?:[a-z]+: )?--([a-z]+(?:-[a-z]+)*)\b`)
	unknownFlag = regexp.MustCompile(`^unknown flag --?([^ ,=]*)`)
	unexpected  = regexp.MustCompile(`^unexpected argument ([^ ,]*)(?:, did you mean ("[a-z]+")\?)?`)
	namesOnly   = regexp.MustCompile(`^(?:expected one of|missing flags:)(?: "?[a-z<>=. -]+"?,?)+$`)
	// plainName is what a flag may be called; a value that slipped in is not likely to look like that.
	plainName = regexp.MustCompile(`^[a-z]{2,12}(?:-[a-z]{2,12}){0,3}$`)
)

// withoutValues says what is wrong with a command line: of the library's error it keeps the names of
// flags and commands alone.
func withoutValues(app *kong.Application, err error) error {
	var ours settingError
	if errors.As(err, &ours) {
		return ours
	}
	text := err.Error()
	if found := unknownFlag.FindStringSubmatch(text); found != nil {
		return badSetting("unknown flag%s: did you mean --%s?",
			named(" --", found[1]), nearest(found[1], flagNames(app.Node)))
	}
	if found := unexpected.FindStringSubmatch(text); found != nil {
		more := "set flags as --NAME VALUE"
		if found[2] != "" {
			more = "did you mean " + found[2] + "?"
		}
		return badSetting("an argument is not expected%s: %s", named(": ", found[1]), more)
	}
	if found := flagOf.FindStringSubmatch(text); found != nil {
		if flag := flagByName(app.Node, found[1]); flag != nil {
			return badSetting("the value of --%s cannot be used: %s", flag.Name, wanted(flag))
		}
	}
	if namesOnly.MatchString(text) {
		return settingError(text)
	}
	return badSetting("the command line cannot be read: see secondgate --help")
}

// named is a name that somebody typed, if it looks like one.
func named(before, name string) string {
	if !plainName.MatchString(name) {
		return ""
	}
	return before + name
}

func flagByName(node *kong.Node, name string) *kong.Flag {
	for _, flag := range node.Flags {
		if flag.Name == name {
			return flag
		}
	}
	for _, child := range node.Children {
		if flag := flagByName(child, name); flag != nil {
			return flag
		}
	}
	return nil
}

// wanted says what a flag takes.
func wanted(flag *kong.Flag) string {
	switch flag.Target.Interface().(type) {
	case time.Duration:
		return `write a number with its unit, such as "30s"`
	case size, *size:
		return `write a size with its unit, such as "512MiB"`
	case *url.URL:
		return "write a URL such as http://127.0.0.1:3000"
	case bool:
		return "write true or false"
	case int:
		return "write a whole number, such as 200"
	}
	if flag.Enum != "" {
		return "write one of " + strings.ReplaceAll(flag.Enum, ",", ", ")
	}
	return "write --" + flag.Name + "=VALUE"
}

// checkKind fails on a value of the configuration file that is of another kind than the flag's. The
// library would take a bare number for nanoseconds.
func checkKind(flag *kong.Flag, value any) error {
	_, isText := value.(string)
	ok := isText
	switch flag.Target.Interface().(type) {
	case bool:
		_, isBool := value.(bool)
		ok = isBool || isText
	case int:
		_, isNumber := value.(float64)
		ok = isNumber || isText
	case []string:
		list, isList := value.([]any)
		isOther := func(v any) bool { _, isText := v.(string); return !isText }
		ok = isText || isList && !slices.ContainsFunc(list, isOther)
	}
	if ok {
		return nil
	}
	return badSetting("the configuration sets %q to a value of another kind: %s", flag.Name, wanted(flag))
}
