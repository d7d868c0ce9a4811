package apitest

import (
	"encoding/json"
	"strings"

	"github.com/secondgate/secondgate/conformance/rule"
)

// spared are the damages that leave a text valid, by what it is (see labels), where that cannot be
// otherwise. Any other that a schema lets through fails the test.
var spared = map[string]bool{
	// What is optional.
	"refused collection: dropped":            true, // a frame that could not be read whole is refused without
	"replayed replayed: dropped":             true,
	"list-response next: dropped":            true,
	"query-response next: dropped":           true,
	"query-response count: dropped":          true,
	"subscribe-response next: dropped":       true,
	"error requestId: dropped":               true,
	"refresh-response expiresAt: dropped":    true,
	"welcome expiresAt: dropped":             true,
	"welcome user.name: dropped":             true,
	"change by: dropped":                     true,
	"change by.id: dropped":                  true,
	"change by.run: dropped":                 true,
	"rest next: dropped":                     true,
	"rest items[].afterHash: dropped":        true,
	"rest items[].beforeHash: dropped":       true,
	"rest items[].changedFields: dropped":    true,
	"rest items[].source.appId: dropped":     true,
	"rest items[].source.requestId: dropped": true,
	"rest nextBefore: null":                  true, // at the end
	"rest doc._rev: dropped":                 true,
	"rest docs[]._rev: dropped":              true,
	"insert doc._rev: dropped":               true,
	"update doc._rev: dropped":               true,
	"history next: dropped":                  true,
	"history items[].source: dropped":        true,
	"wrote doc: dropped":                     true,
	"internalRefusal success: dropped":       true,
	"internalRefusal code: dropped":          true,
	"internalRefusal message: dropped":       true, // what the door is not reached for has one, others have none
	"found doc: dropped":                     true, // of an empty list
	// What may be null.
	"approved hash: null":          true,
	"approval approval: null":      true,
	"wrote doc: null":              true,
	"doc-response doc: null":       true,
	"replayed doc: null":           true,
	"written doc: null":            true,
	"replayed results[].doc: null": true,
	// What makes it another valid message.
	"list-response error: dropped":              true, // an empty list
	"query-response error: dropped":             true,
	"doc-response error: dropped":               true, // no document
	"unsubscribe-response error: dropped":       true,
	"ping-response error: dropped":              true,
	"refresh-response error: dropped":           true,
	"subscribe-response error: dropped":         true,
	"triggered error: dropped":                  true, // a run that goes on
	"batch-response results[].created: dropped": true, // an upsert's result becomes an update's,
	"batch-response results[].docId: dropped":   true, // an update's an insert's
	"batch-response results[].doc: dropped":     true, // or a delete's
}

// Broken damages a valid text in every way and wants each refused. It returns how many there were.
func (s *Schemas) Broken(t rule.T, ref, text string) (n int) {
	t.Helper()
	for _, d := range Damage(text) {
		if s.Check(t, ref, d.Text) != nil {
			n++
			continue
		}
		if !isSpared(ref, text, d.What) {
			t.Errorf("%s is valid although %s: %s", ref, d.What, d.Text)
		}
	}
	return n
}

func isSpared(ref, text, what string) bool {
	for _, label := range labels(ref, text) {
		if spared[label+" "+what] {
			return true
		}
	}
	return false
}

// labels are what a text is: the last part of its schema's name, its type, and whether it refuses
// or replays.
func labels(ref, text string) []string {
	var m struct {
		Type            string
		Error, Replayed any
	}
	_ = json.Unmarshal([]byte(text), &m) // what has no such members has no such label
	all := []string{ref[strings.LastIndexByte(ref, '/')+1:], m.Type[strings.LastIndexByte(m.Type, ':')+1:]}
	if m.Error != nil {
		all = append(all, "refused")
	}
	if m.Replayed != nil {
		all = append(all, "replayed")
	}
	if strings.HasPrefix(ref, "schema/rest.json") {
		all = append(all, "rest")
	}
	return all
}
