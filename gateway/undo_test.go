package gateway_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/conformance/client"
)

// undoTrial has an agent write under a run's id, people write beside it, and somebody undo the run.
type undoTrial struct {
	*agents
	random *rand.Rand
}

// documents are the app's draft: by id, what people see of each but for its times.
func (u *undoTrial) documents() map[string]string {
	u.Helper()
	reply := u.person(owner, "GET", appPath+"/data?version=draft&collection=leads", "")
	require.Equal(u, 200, reply.Status, reply.Body)
	var listed struct{ Docs []map[string]any }
	require.NoError(u, json.Unmarshal([]byte(reply.Body), &listed))
	all := map[string]string{}
	for _, doc := range listed.Docs {
		id := doc["_id"].(string)
		delete(doc, "_createdAt")
		delete(doc, "_updatedAt")
		text, err := json.Marshal(doc)
		require.NoError(u, err)
		all[id] = string(text)
	}
	return all
}

// agentWrites has agent e1 do something at random to a document, under a run. It returns the document's id.
func (u *undoTrial) agentWrites(run string, ids []string) string {
	u.Helper()
	body := func(operation, filter, data string) string {
		return workerBody(
			fmt.Sprintf(`,"runId":%q,"operation":%q,"filter":%s,"data":%s`, run, operation, filter, data),
		)
	}
	id := ids[u.random.IntN(len(ids))]
	named, data := fmt.Sprintf(
		`{"_id":%q}`,
		id,
	), fmt.Sprintf(
		`{"n%d":%d}`,
		u.random.IntN(3),
		u.random.IntN(100),
	)
	var reply *client.Reply
	switch u.random.IntN(5) {
	case 0:
		reply = u.worker("write", body("insert", "null", data))
	case 1:
		reply = u.worker("write", body("delete", named, "null"))
	case 2:
		reply = u.worker("write", body("upsert", fmt.Sprintf(`{"key":%d}`, u.random.IntN(3)), data))
	default:
		reply = u.worker("write", body("update", named, data))
	}
	require.Contains(u, []int{200, 404}, reply.Status, reply.Body)
	require.True(u, reply.Status == 404 || strings.Contains(reply.Body, "false") ||
		reply.Header.Get("Second-Change-Set") == run)
	var answer struct {
		Doc struct {
			ID string `json:"_id"`
		}
	}
	require.NoError(u, json.Unmarshal([]byte(reply.Body), &answer))
	if answer.Doc.ID != "" {
		return answer.Doc.ID
	}
	return id
}

// personWrites changes a document, or makes it if there is none.
func (u *undoTrial) personWrites(id string) {
	u.Helper()
	data := fmt.Sprintf(`{"collection":"leads","data":{"by":"a person","n":%d}}`, u.random.IntN(1000))
	reply := u.person(owner, "PATCH", appPath+"/data/"+id+"?version=draft", data)
	require.Contains(u, []int{200, 404}, reply.Status, reply.Body)
}

func (u *undoTrial) undo(run string) *client.Reply {
	u.Helper()
	return u.person(owner, "POST", appPath+"/data/undo?version=draft", `{"changeSet":"`+run+`"}`)
}

// TestUndo: what undo restored equals the state before, and nothing else moved; or it names what was
// changed since, and nothing moved at all.
func TestUndo(t *testing.T) {
	inAgents(t, func(a *agents) {
		u := &undoTrial{a, rand.New(rand.NewPCG(5, 5))}
		require.Equal(u, 200, u.person(owner, "POST", approvalURL, `{"agentsJson":`+twoAgents+`}`).Status)
		undone, refused := 0, 0
		for round := range 25 {
			for range 3 {
				u.agentWrites(fmt.Sprint("before", round), []string{"x"})
			}
			before := u.documents()
			ids := slices.Sorted(maps.Keys(before))
			run, touched := fmt.Sprint("run", round), map[string]bool{}
			for range 1 + u.random.IntN(8) {
				touched[u.agentWrites(run, ids)] = true
			}
			after := u.documents()
			if u.random.IntN(2) == 0 {
				u.personWrites(ids[u.random.IntN(len(ids))])
			}
			now := u.documents()
			reply := u.undo(run)
			if reply.Status == 404 { // everything that the agent tried was refused
				require.Equal(u, now, u.documents())
				continue
			}
			changed := changedBetween(after, now)
			inTheWay := slices.DeleteFunc(
				changed,
				func(id string) bool { return !touched[id] || before[id] == after[id] && after[id] == "" },
			)
			if reply.Status == http.StatusPreconditionFailed {
				refused++
				require.NotEmpty(u, inTheWay)
				for _, id := range inTheWay {
					require.Contains(u, reply.Body, "leads/"+id)
				}
				require.Equal(u, now, u.documents(), "nothing moved")
				continue
			}
			undone++
			require.Equal(u, 200, reply.Status, reply.Body)
			is := u.documents()
			for id := range union(before, now, is) {
				if touched[id] {
					require.Equal(u, before[id], is[id], "round %d: %s is as before the run", round, id)
				} else {
					require.Equal(u, now[id], is[id], "round %d: %s did not move", round, id)
				}
			}
			u.undoTheUndo(reply, now)
		}
		require.Positive(u, undone)
		require.Positive(u, refused)
	})
}

// undoTheUndo: an undo is a change set too.
func (u *undoTrial) undoTheUndo(reply *client.Reply, want map[string]string) {
	u.Helper()
	var done struct {
		ChangeSet string
		Documents int
	}
	require.NoError(u, json.Unmarshal([]byte(reply.Body), &done))
	require.NotEmpty(u, done.ChangeSet)
	again := u.undo(done.ChangeSet)
	if done.Documents > 0 && again.Status != 404 {
		require.Equal(u, 200, again.Status, again.Body)
		require.Equal(u, want, u.documents())
	}
}

func changedBetween(a, b map[string]string) (ids []string) {
	for id := range union(a, b) {
		if a[id] != b[id] {
			ids = append(ids, id)
		}
	}
	return ids
}

func union(all ...map[string]string) map[string]bool {
	ids := map[string]bool{}
	for _, m := range all {
		for id := range m {
			ids[id] = true
		}
	}
	return ids
}

// TestUndoUnderEdits: a person edits a document while it is undone. The undo is refused, or the edit came
// to what was undone; never something in between.
func TestUndoUnderEdits(t *testing.T) {
	inAgents(t, func(a *agents) {
		u := &undoTrial{a, rand.New(rand.NewPCG(6, 6))}
		require.Equal(u, 200, u.person(owner, "POST", approvalURL, `{"agentsJson":`+twoAgents+`}`).Status)
		require.Equal(u, 201, u.person(owner, "POST", appPath+"/data?version=draft",
			`{"collection":"leads","docId":"x","data":{"state":"first"}}`).Status)
		for round := range 20 {
			run := fmt.Sprint("run", round)
			require.Equal(u, 200, u.worker("write", workerBody(fmt.Sprintf(
				`,"runId":%q,"operation":"update","filter":{"_id":"x"},"data":{"state":"agent"}`,
				run,
			))).Status)
			edited := make(chan int)
			go func() {
				edited <- u.person(owner, "PATCH", appPath+"/data/x?version=draft",
					fmt.Sprintf(`{"collection":"leads","data":{"note":%d}}`, round)).Status
			}()
			reply := u.undo(run)
			require.Equal(u, 200, <-edited)
			state := "first"
			if reply.Status != 200 {
				require.Equal(u, 412, reply.Status, reply.Body)
				state = "agent"
			}
			require.JSONEq(
				u,
				fmt.Sprintf(`{"_id":"x","note":%d,"state":%q}`, round, state),
				u.documents()["x"],
			)
			require.Equal(u, 200, u.person(owner, "PATCH", appPath+"/data/x?version=draft",
				`{"collection":"leads","data":{"state":"first"}}`).Status)
		}
	})
}

func TestUndoRefused(t *testing.T) {
	inAgents(t, func(a *agents) {
		u := &undoTrial{a, nil}
		require.Equal(u, 200, u.person(owner, "POST", approvalURL, `{"agentsJson":`+twoAgents+`}`).Status)
		require.Equal(
			u,
			200,
			u.worker("write", workerBody(`,"runId":"r","operation":"insert","data":{}`)).Status,
		)
		require.Equal(u, 404, u.undo("nothing").Status)
		require.Equal(u, 404, u.undo("r/../r").Status)
		for body, status := range map[string]int{`{`: 400, `{}`: 400, `{"changeSet":7}`: 400, `{"changeSet":"r"}`: 404} {
			require.Equal(
				u,
				status,
				u.person(owner, "POST", appPath+"/data/undo", body).Status,
				body,
			) // of what is published
		}
		require.Equal(
			u,
			403,
			u.person(looksOn, "POST", appPath+"/data/undo?version=draft", `{"changeSet":"r"}`).Status,
		)
		require.Equal(
			u,
			404,
			u.person(outside, "POST", appPath+"/data/undo?version=draft", `{"changeSet":"r"}`).Status,
		)
		require.Equal(u, 200, u.undo("r").Status)
		require.Equal(u, 412, u.undo("r").Status, "undone already")
	})
}

// TestUndoKeepsWhatOthersWroteBetween: a document that a person changed between two writes of a run is named,
// and stays.
func TestUndoKeepsWhatOthersWroteBetween(t *testing.T) {
	inAgents(t, func(a *agents) {
		u := &undoTrial{a, nil}
		require.Equal(u, 200, u.person(owner, "POST", approvalURL, `{"agentsJson":`+twoAgents+`}`).Status)
		agent := func(operation string) {
			u.Helper()
			reply := u.worker(
				"write",
				workerBody(`,"runId":"r","operation":"`+operation+`","filter":{"_id":"x"},"data":{"n":1}`),
			)
			require.Equal(u, 200, reply.Status, reply.Body)
		}
		data := `{"collection":"leads","docId":"x","data":{"filler":"` + strings.Repeat("x", 100_000) + `"}}`
		require.Equal(u, 201, u.person(owner, "POST", appPath+"/data?version=draft", data).Status)
		before := u.documents()
		agent("update")
		agent("update")
		require.Equal(u, 200, u.undo("r").Status, "one after the other")
		require.Equal(u, before, u.documents(), "a long document too")

		for _, between := range []string{"update", "delete"} {
			agent("upsert")
			require.Equal(u, 200, u.person(owner, "PATCH", appPath+"/data/x?version=draft",
				`{"collection":"leads","data":{"person":true}}`).Status)
			if between == "delete" {
				require.Equal(
					u,
					200,
					u.person(owner, "DELETE", appPath+"/data/x?version=draft&collection=leads", "").Status,
				)
			}
			agent("upsert")
			is := u.documents()
			reply := u.undo("r")
			require.Equal(u, 412, reply.Status, reply.Body)
			require.Contains(u, reply.Body, "leads/x")
			require.Equal(u, is, u.documents())
		}
	})
}
