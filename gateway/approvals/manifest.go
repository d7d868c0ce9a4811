package approvals

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"unicode"

	"github.com/secondgate/secondgate/protocol"
)

const (
	// MaxManifest is the greatest length of an agents.json, in bytes.
	MaxManifest = 256 << 10
	// maxNesting is how deep one may be nested. Each level indents every line of the text that is kept.
	maxNesting = 64
	// maxPretty bounds that text, in bytes. A file whose text would be longer is kept as one line.
	maxPretty = 2 * MaxManifest
)

// ErrMissing: there is no agents.json, or nothing in it but white space.
var ErrMissing = errors.New("there is no agents.json")

// ErrNothing: the file is JSON, and names no agents.
var ErrNothing = errors.New("agents.json must contain a non-empty agents or appTools array")

// Manifest is an agents.json: which agents an app has, and what each may read and write.
type Manifest struct {
	file jsValue // as it was read
	root jsObject
}

// ParseManifest reads the text of an agents.json and normalises it. Its errors are sentences for the
// author of the file; ErrMissing for a text without anything.
func ParseManifest(text string) (*Manifest, error) {
	if strings.TrimFunc(text, jsSpace) == "" {
		return nil, ErrMissing
	}
	v, err := parseJS(text)
	if err != nil {
		return nil, err
	}
	root, isObject := v.(jsObject)
	if !isObject {
		return nil, ErrNothing
	}
	root = normalised(root)
	if !filled(root.get("agents")) && !filled(root.get("appTools")) {
		return nil, ErrNothing
	}
	return &Manifest{v, root}, nil
}

// jsSpace is what JavaScript's trim takes away.
func jsSpace(r rune) bool {
	return r == '\uFEFF' || r == '\u2028' || r == '\u2029' || r >= '\t' && r <= '\r' || unicode.Is(unicode.Zs, r)
}

func filled(v jsValue) bool {
	a, _ := v.(jsArray)
	return len(a) > 0
}

func emptyArray(v jsValue) bool {
	a, is := v.(jsArray)
	return is && len(a) == 0
}

// normalised leaves out what says nothing (version 1 of the rules): empty agents and appTools, and in
// each agent empty tools and dataCollections.
func normalised(root jsObject) jsObject {
	root = without(root, "agents", "appTools")
	for i, m := range root {
		agents, isArray := m.value.(jsArray)
		if m.name.text() != "agents" || !isArray {
			continue
		}
		agents = slices.Clone(agents)
		for j, a := range agents {
			if agent, isObject := a.(jsObject); isObject {
				agents[j] = without(agent, "tools", "dataCollections")
			}
		}
		root[i].value = agents
	}
	return root
}

// without is a copy of an object without those of the names that are empty arrays, and without
// __proto__, which no copy in JavaScript has.
func without(o jsObject, names ...string) jsObject {
	kept := jsObject{}
	for _, m := range o {
		name := m.name.text()
		empty := false
		for _, n := range names {
			empty = empty || name == n && emptyArray(m.value)
		}
		if !empty && name != protoName {
			kept = append(kept, m)
		}
	}
	return kept
}

// Canonical is the text that is hashed.
func (m *Manifest) Canonical() []byte { return appendJS(nil, m.root, true) }

// Payload is the normalised file as one line: what is approved, and what rights are read from.
func (m *Manifest) Payload() string { return string(appendJS(nil, m.root, false)) }

// Hash is v1: and the SHA-256 of the canonical text in lower-case hex.
func (m *Manifest) Hash() string {
	sum := sha256.Sum256(m.Canonical())
	return "v1:" + hex.EncodeToString(sum[:])
}

// Pretty is the file as a person reads it.
func (m *Manifest) Pretty() string {
	var out bytes.Buffer
	line := appendJS(nil, m.file, false)
	_ = json.Indent(&out, line, "", "  ") // valid JSON: cannot fail
	if out.Len() >= maxPretty {
		return string(line) + "\n"
	}
	return out.String() + "\n"
}

// Agent is an agent as people see it.
type Agent = protocol.Agent

// Agents are those of the file that have an id.
func (m *Manifest) Agents() (all []Agent) {
	for a := range m.agents {
		all = append(all, Agent{ID: textOf(a.get("id")), Name: textOf(a.get("name")), Description: textOf(a.get("description"))})
	}
	return all
}

// agents iterates over the agents that are objects with an id.
func (m *Manifest) agents(yield func(jsObject) bool) {
	list, _ := m.root.get("agents").(jsArray)
	for _, v := range list {
		a, _ := v.(jsObject)
		if _, named := a.get("id").(jsString); named && !yield(a) {
			return
		}
	}
}

// Agent is the first agent of an id as JSON; ok is false if there is none.
func (m *Manifest) Agent(id string) (agent []byte, ok bool) {
	for a := range m.agents {
		if textOf(a.get("id")) == id {
			return appendJS(nil, a, false), true
		}
	}
	return nil, false
}

// textOf is a string's text, empty for any other value.
func textOf(v jsValue) string {
	s, _ := v.(jsString)
	return s.text()
}
