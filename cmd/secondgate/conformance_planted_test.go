package main

import (
	"bytes"
	"net/http"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/protocol"
)

// planted is a bug on the wire, and the rule that must notice it.
type planted struct {
	name, rule string
	proxy      faultyProxy
}

// perSocket is for bugs that remember nothing.
func perSocket(f func(m sent) []sent) func(string) func(sent) []sent {
	return func(string) func(sent) []sent { return f }
}

func plantedBugs() []planted {
	return []planted{
		{
			"bookmarks dropped after the first",
			"ws/bookmark-soon",
			faultyProxy{message: func(string) func(sent) []sent {
				n := 0
				return func(m sent) []sent {
					if m.Type == protocol.TypeBookmark {
						if n++; n > 1 {
							return nil
						}
					}
					return []sent{m}
				}
			}},
		},
		{
			"a bookmark right after each list, older than it", "ws/bookmark-after-answer",
			faultyProxy{message: oldBookmarks()},
		},
		{
			"a bookmark after each change of a transaction",
			"ws/bookmark-whole-transactions",
			faultyProxy{message: func(string) func(sent) []sent {
				cursor := ""
				return func(m sent) []sent {
					if m.Type == protocol.TypeBookmark {
						cursor = m.Cursor
					}
					if m.Type == protocol.TypeChange && cursor != "" {
						return []sent{m, bookmark(cursor)}
					}
					return []sent{m}
				}
			}},
		},
		{"a change dropped", "ws/changes-everything", faultyProxy{message: perSocket(func(m sent) []sent {
			if m.Type == protocol.TypeChange && m.DocID == "d30" {
				return nil
			}
			return []sent{m}
		})}},
		{
			"a change doubled behind its successor",
			"ws/changes-per-document-order",
			faultyProxy{message: func(string) func(sent) []sent {
				last := sent{}
				return func(m sent) []sent {
					if m.Type != protocol.TypeChange {
						return []sent{m}
					}
					before := last
					if last = m; before.raw == nil {
						return []sent{m}
					}
					return []sent{m, before}
				}
			}},
		},
		{
			"an answer behind changes that are newer",
			"ws/read-holds-changes",
			faultyProxy{message: func(string) func(sent) []sent {
				var held []sent
				behind := 0
				return func(m sent) []sent {
					switch {
					case m.Type == protocol.TypeList+protocol.ResponseSuffix && m.Next == "":
						held, behind = append(held, m), 3
						return nil
					case m.Type == protocol.TypeChange && len(held) > 0:
						if behind--; behind == 0 {
							out := append([]sent{m}, held...)
							held = nil
							return out
						}
					}
					return []sent{m}
				}
			}},
		},
		{"a change does not say by whom", "ws/change-by", faultyProxy{message: perSocket(func(m sent) []sent {
			return []sent{m.without("by")}
		})}},
		{"settled twice", "ws/settled-once", faultyProxy{message: perSocket(func(m sent) []sent {
			if m.Type == protocol.TypeSettled {
				return []sent{m, m}
			}
			return []sent{m}
		})}},
		{
			"settled with the answer",
			"ws/settled-after-bookmark",
			faultyProxy{message: perSocket(func(m sent) []sent {
				switch {
				case m.Type == protocol.TypeSettled:
					return nil
				case m.Type == protocol.TypeUpsert+protocol.ResponseSuffix:
					return []sent{m, {raw: protocol.AppendSettled(nil, m.RequestID)}}
				}
				return []sent{m}
			})},
		},
		{
			"an error as an empty success",
			"ws/error-in-own-answer",
			faultyProxy{message: perSocket(func(m sent) []sent {
				return []sent{m.without("error")}
			})},
		},
		{"a misspelt field ignored", "ws/unknown-field", faultyProxy{frame: func(frame []byte) []byte {
			return bytes.ReplaceAll(frame, []byte(`,"ifrev":"x"`), nil)
		}}},
		{
			"next left out", "ws/paging",
			faultyProxy{message: perSocket(func(m sent) []sent { return []sent{m.without("next")} })},
		},
		{"what was missed left out", "ws/resume-exact", faultyProxy{message: func(string) func(sent) []sent {
			resuming := false
			return func(m sent) []sent {
				resuming = m.Resumed && m.Type == protocol.TypeWelcome || resuming && m.Type != protocol.TypeBookmark
				if resuming && m.Type == protocol.TypeChange {
					return nil
				}
				return []sent{m}
			}
		}}},
		{"the draft taken for published", "ws/scopes", faultyProxy{request: publish}},
		{"the draft taken for published, over REST", "rest/draft", faultyProxy{request: publish}},
		{"no ETag", "rest/etag", faultyProxy{response: func(r *http.Response) { r.Header.Del("ETag") }}},
		{"If-Match ignored", "rest/writes-if-rev", faultyProxy{request: without("If-Match")}},
		{"Idempotency-Key ignored", "rest/mutation-once", faultyProxy{request: without("Idempotency-Key")}},
		{"a redirect", "rest/no-redirects", faultyProxy{request: func(w http.ResponseWriter, r *http.Request) bool {
			if !strings.HasSuffix(r.URL.Path, "/") {
				return false
			}
			http.Redirect(w, r, strings.TrimSuffix(r.URL.Path, "/"), http.StatusPermanentRedirect)
			return true
		}}},
		{"a reset without data", "sse/reset-event", faultyProxy{block: func() func(string) []string {
			data := regexp.MustCompile(`(?m)^data: .*\n`)
			return func(block string) []string {
				if strings.Contains(block, "event: reset") {
					block = data.ReplaceAllString(block, "")
				}
				return []string{block}
			}
		}}},
		{
			"an id inside a transaction",
			"sse/id-whole-transactions",
			faultyProxy{block: func() func(string) []string {
				id := regexp.MustCompile(`(?m)^id: .*\n`)
				last := ""
				return func(block string) []string {
					if found := id.FindString(block); found != "" {
						last = found
					}
					return []string{block, last + "\n"}
				}
			}},
		},
		{
			"what was missed left out of the stream", "sse/resume-last-event-id",
			faultyProxy{request: without("Last-Event-ID")},
		},
	}
}

// oldBookmarks sends the first bookmark of a scope once more behind each list.
func oldBookmarks() func(string) func(sent) []sent {
	var mu sync.Mutex
	first := map[string]string{} // by scope
	return func(address string) func(sent) []sent {
		scope, _, _ := strings.Cut(address, "?")
		return func(m sent) []sent {
			mu.Lock()
			defer mu.Unlock()
			if m.Type == protocol.TypeBookmark && first[scope] == "" {
				first[scope] = m.Cursor
			}
			if m.Type == protocol.TypeList+protocol.ResponseSuffix && first[scope] != "" {
				return []sent{m, bookmark(first[scope])}
			}
			return []sent{m}
		}
	}
}

func publish(_ http.ResponseWriter, r *http.Request) bool {
	r.URL.RawQuery = strings.ReplaceAll(r.URL.RawQuery, "version=draft", "version=published")
	return false
}

func without(header string) func(http.ResponseWriter, *http.Request) bool {
	return func(_ http.ResponseWriter, r *http.Request) bool {
		r.Header.Del(header)
		return false
	}
}

// TestConformanceCatches: each bug between a real gateway and the command is noticed by the rule
// that is there for it, and by exit status 1. The same rules hold through the same proxy while it
// changes nothing.
func TestConformanceCatches(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Log("the run without the race detector plants the bugs")
		return
	}
	o := operate(t, nil, "--heartbeat", "1s")
	bugs := plantedBugs()
	rules := []string{}
	for _, bug := range bugs {
		rules = append(rules, bug.rule)
	}
	out, err := secondgate(
		t, nil, "conformance", "--url", faultyProxy{}.between(t, o.url), "--only", strings.Join(rules, ","),
	)
	require.NoError(t, err, out)
	for _, bug := range bugs {
		t.Run(bug.name, func(t *testing.T) {
			t.Parallel()
			at := bug.proxy.between(t, o.url)
			out, err := secondgate(t, nil, "conformance", "--url", at, "--only", bug.rule)
			var exit *exec.ExitError
			require.ErrorAs(t, err, &exit, "the bug was not noticed: %s", out)
			require.Equal(t, 1, exit.ExitCode(), out)
			require.Regexp(t, `(?m)^FAIL  `+bug.rule+` .*\n      \S`, out)
			require.Contains(
				t, out, "      again: secondgate conformance --url "+at+" --workspace conformance --only "+bug.rule+"\n",
			)
			require.Contains(t, out, "1 rules: 0 hold, 1 do not\n")
			t.Log(strings.TrimSpace(strings.SplitN(out, "\n", 3)[1]))
		})
	}
}
