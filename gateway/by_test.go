package gateway_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/conformance"
	"github.com/secondgate/secondgate/conformance/client"
	"github.com/secondgate/secondgate/gateway/access"
	"github.com/secondgate/secondgate/protocol"
)

// byReader is a socket to the draft of app a that asks by whom changes are made.
type byReader struct {
	*testing.T
	*client.Client
}

func (a *agents) asksBy(url, cursor string) *byReader {
	a.Helper()
	parameters := []string{"features", "by"}
	if cursor != "" {
		parameters = append(parameters, "cursor", cursor)
	}
	c, err := client.Dial(
		live(
			a.T,
		),
		client.URL(url, draft, parameters...),
		access.BearerSubprotocol+owner.token(a.T, time.Hour),
	)
	require.NoError(a, err)
	a.Cleanup(c.Cut)
	return &byReader{a.T, c}
}

// until reads up to the bookmark behind a document's change. It returns the author of each
// document's last change, as text, and the bookmark's cursor.
func (r *byReader) until(id string) (by map[string]string, cursor string) {
	r.Helper()
	by = map[string]string{}
	for found := false; ; {
		m, err := r.Next(live(r.T))
		require.NoError(r, err, "waiting for the change of %s; so far %v", id, by)
		switch {
		case m.Type == protocol.TypeBookmark && found:
			return by, m.Cursor
		case m.Type == protocol.TypeChange:
			text, err := json.Marshal(m.By)
			require.NoError(r, err)
			by[m.DocID] = string(text)
			found = found || m.DocID == id
		}
	}
}

// insertAs has agent e1 make a document, by what else the body says, and returns its id and change
// set.
func (a *agents) insertAs(more string) (id, set string) {
	a.Helper()
	reply := a.worker("write", workerBody(`,"operation":"insert","data":{"n":1}`+more))
	require.Equal(a, 200, reply.Status, reply.Body)
	var answer struct {
		Doc struct {
			ID string `json:"_id"`
		}
	}
	require.NoError(a, json.Unmarshal([]byte(reply.Body), &answer))
	return answer.Doc.ID, reply.Header.Get("Second-Change-Set")
}

// makes has the creator of the app make a document.
func (a *agents) makes(id string) {
	a.Helper()
	body := `{"collection":"leads","docId":"` + id + `","data":{}}`
	require.Equal(a, 201, a.person(creator, "POST", appPath+"/data?version=draft", body).Status)
}

// undoes has the owner undo a change set, and returns the undo's own.
func (a *agents) undoes(set string) string {
	a.Helper()
	reply := a.person(owner, "POST", appPath+"/data/undo?version=draft", `{"changeSet":"`+set+`"}`)
	require.Equal(a, 200, reply.Status, reply.Body)
	var undone struct{ ChangeSet string }
	require.NoError(a, json.Unmarshal([]byte(reply.Body), &undone))
	return undone.ChangeSet
}

// TestChangesSayByWhom: every gateway of the database says the same, live, after a resume and from
// the history; of what others than gateways changed it says nothing. A client that does not ask is
// told nothing.
func TestChangesSayByWhom(t *testing.T) {
	t.Parallel()
	for name, h := range harnesses() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := h.Open(t)
			a := &agents{t, serve(t, b, withAgents)}
			other := serve(t, h.Reopen(t, b), withAgents)
			require.Equal(t, 200, a.person(owner, "POST", approvalURL, `{"agentsJson":`+twoAgents+`}`).Status)
			readers := map[string]*byReader{"here": a.asksBy(a.url, ""), "there": a.asksBy(other, "")}
			silent := dialAs(t, live(t), other, draft, owner.token(t, time.Hour))
			a.makes("begin")
			_, from := readers["here"].until("begin")

			run, _ := a.insertAs(`,"runId":"run-7"`)
			call, set := a.insertAs("")
			require.Regexp(t, "^[0-9a-f]{24}$", set)
			a.makes("changed")
			h.Outside(t, b).Do(t, true, conformance.Step{
				Kind: "update", Ref: protocol.Ref{Scope: draft, Collection: "leads", ID: "changed"}, Data: `{"n":2}`,
			})
			undone := a.undoes("run-7")
			a.makes("end")

			readers["resumed"], readers["resumed there"] = a.asksBy(a.url, from), a.asksBy(other, from)
			readers["from the history"] = a.asksBy(serve(t, h.Reopen(t, b), withAgents), from)
			for where, r := range readers {
				by, _ := r.until("end")
				delete(by, "begin")
				require.Equal(t, map[string]string{
					run:       `{"kind":"user","id":"owner","run":"` + undone + `"}`,
					call:      `{"kind":"agent","id":"e1","run":"` + set + `"}`,
					"changed": `null`,
					"end":     `{"kind":"user","id":"creator","run":""}`,
				}, by, where)
			}
			(&byReader{t, silent}).hearsOfNobody("end")
		})
	}
}

// hearsOfNobody reads up to the change of a document.
func (r *byReader) hearsOfNobody(id string) {
	r.Helper()
	for {
		m, err := r.Next(live(r.T))
		require.NoError(r, err, "waiting for the change of %s", id)
		if require.Nil(r, m.By); m.DocID == id {
			return
		}
	}
}
