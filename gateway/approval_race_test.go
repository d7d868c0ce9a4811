package gateway_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/conformance/client"
)

// approvalRace has agents write through two gateways while people approve and end approvals through the
// first.
type approvalRace struct {
	*agents
	b    backends.Backend
	urls [2]string

	mu      sync.Mutex
	version string
	own     string // a collection that this round's file alone has
	hash    string // what was approved last
	held    map[string]*holding
	wrote   []racedWrite
	// accepted is closed, and made anew, whenever a write is accepted.
	accepted chan struct{}
}

// holding is when an approval may have held: from when somebody began to approve until it was
// answered that it has ended.
type holding struct{ from, until time.Time }

type racedWrite struct {
	gateway    int
	own        bool
	doc        string
	begun, end time.Time
}

// TestApprovalRaces: an accepted write's audit row names the hash that it was accepted under, which was
// approved at some time between the write's begin and its end; on a gateway that did not end the approval, at
// most a second before. A gateway refuses at once what begins after it has answered that an approval ended.
func TestApprovalRaces(t *testing.T) {
	t.Parallel()
	for name, h := range harnesses() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := h.Open(t)
			r := &approvalRace{
				b:        b,
				version:  "draft",
				own:      "leads0",
				held:     map[string]*holding{},
				accepted: make(chan struct{}),
			}
			r.urls = [2]string{serve(t, b, withAgents), serve(t, h.Reopen(t, b), withAgents)}
			r.agents = &agents{t, r.urls[0]}
			ctx, stop := context.WithCancel(t.Context())
			var writing sync.WaitGroup
			for i := range 4 {
				writing.Go(func() { r.write(ctx, i%2, i < 2) })
			}
			defer writing.Wait()
			defer stop()
			for round, how := range []string{"edit", "revoke", "replace", "publish"} {
				r.round(round, how)
			}
			stop()
			writing.Wait()
			r.check()
		})
	}
}

// fileOf is a file of its own for each round.
func fileOf(round int) string {
	return fmt.Sprintf(`{"agents":[{"id":"e1","dataCollections":["leads","leads%d"]}]}`, round)
}

// round approves a file, waits for writes through both gateways under it, and ends the approval.
func (r *approvalRace) round(round int, how string) {
	r.Helper()
	file, version := fileOf(round), "draft"
	if how == "publish" {
		version = ""
	}
	r.begin(hashOf(r.T, file), version, fmt.Sprint("leads", round))
	r.done("PATCH", "/agents", file)
	if how == "publish" {
		r.done("POST", "/publish", "")
	} else {
		r.done("POST", "/agents/approval", "")
	}
	for i := range r.urls {
		r.awaitWrite(i, how)
	}
	switch how {
	case "edit":
		r.done("PATCH", "/agents", otherAgents)
	case "replace":
		r.done("POST", "/agents/approval", `{"agentsJson":`+otherAgents+`}`)
	default:
		r.done("DELETE", "/agents/approval?version="+version, "")
	}
	r.mu.Lock()
	r.held[r.hash].until = time.Now()
	r.mu.Unlock()
	reply := r.worker("write", r.body(false))
	require.Equal(r, 403, reply.Status, "%s: refused at once where it ended: %s", how, reply.Body)
}

func (r *approvalRace) begin(hash, version, own string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.own = own
	r.hash, r.version, r.held[hash] = hash, version, &holding{from: time.Now()}
}

func (r *approvalRace) done(method, path, body string) {
	r.Helper()
	reply := r.person(owner, method, appPath+path, body)
	require.Equal(r, 200, reply.Status, "%s %s: %s", method, path, reply.Body)
}

// body is a write to leads, which every round's file has, or to the collection that this round's alone has.
func (r *approvalRace) body(own bool) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	collection := "leads"
	if own {
		collection = r.own
	}
	return `{"workspaceId":"w","appId":"a","sourceVersion":"` + r.version +
		`","agentId":"e1","collection":"` + collection + `","operation":"insert","data":{}}`
}

// awaitWrite waits until a write through a gateway has been accepted that this round's file alone allows.
func (r *approvalRace) awaitWrite(gateway int, how string) {
	r.Helper()
	deadline := time.After(time.Minute)
	for {
		r.mu.Lock()
		from, next := r.held[r.hash].from, r.accepted
		for _, w := range r.wrote {
			if w.gateway == gateway && w.own && w.begun.After(from) {
				r.mu.Unlock()
				return
			}
		}
		r.mu.Unlock()
		select {
		case <-next:
		case <-deadline:
			require.Fail(r, "no write was accepted", "%s: by gateway %d", how, gateway)
		}
	}
}

// write writes through a gateway until ctx ends.
func (r *approvalRace) write(ctx context.Context, gateway int, own bool) {
	for ctx.Err() == nil {
		w := racedWrite{gateway: gateway, own: own, begun: time.Now()}
		reply, err := client.Do(ctx, "POST", r.urls[gateway]+"/api/internal/app-data-write", r.body(own),
			"Authorization: Bearer "+internalToken)
		switch w.end = time.Now(); {
		case err != nil && ctx.Err() != nil:
			return
		case err != nil || reply.Status != http.StatusOK && reply.Status != http.StatusForbidden:
			r.Errorf("a write through gateway %d: %v %s", gateway, err, reply.Body)
			return
		case reply.Status == http.StatusOK:
			r.note(w, reply.Body)
		}
	}
}

func (r *approvalRace) note(w racedWrite, body string) {
	var answer struct {
		Doc struct {
			ID string `json:"_id"`
		}
	}
	if err := json.Unmarshal([]byte(body), &answer); err != nil {
		r.Errorf("an answer is no JSON: %v", err)
	}
	w.doc = answer.Doc.ID
	r.mu.Lock()
	defer r.mu.Unlock()
	r.wrote = append(r.wrote, w)
	close(r.accepted)
	r.accepted = make(chan struct{})
}

// check holds every accepted write to its audit row.
func (r *approvalRace) check() {
	r.Helper()
	hashes := r.hashesOfRows()
	slack := [2]time.Duration{0, time.Second}
	for _, w := range r.wrote {
		hash := hashes[w.doc]
		h := r.held[hash]
		require.NotNil(r, h, "the row of %s names %q, which nobody approved", w.doc, hash)
		require.False(r, w.end.Before(h.from), "it was accepted before somebody approved")
		require.False(
			r,
			w.begun.After(h.until.Add(slack[w.gateway])),
			"gateway %d accepted a write that began %v after its approval ended",
			w.gateway,
			w.begun.Sub(h.until),
		)
	}
	r.Logf("%d accepted writes", len(r.wrote))
}

// hashesOfRows are the hashes that the rows of agents' writes name, by document.
func (r *approvalRace) hashesOfRows() map[string]string {
	r.Helper()
	hashes, after := map[string]string{}, ""
	for {
		found, err := r.b.Find(r.Context(), backends.AuditKind, "w/", after, 1000)
		require.NoError(r, err)
		for _, e := range found {
			var row struct {
				Metadata   struct{ AgentsJSONHash string }
				RelatedIDs struct{ AppDataDocumentID string }
			}
			require.NoError(r, json.Unmarshal(e.Body, &row))
			hashes[row.RelatedIDs.AppDataDocumentID] = row.Metadata.AgentsJSONHash
			after = e.Key
		}
		if len(found) < 1000 {
			return hashes
		}
	}
}

// TestApprovalAudit: approvals leave rows, in the transaction that approves, and so does an agent's
// undo, with the hash that it was allowed under.
func TestApprovalAudit(t *testing.T) {
	t.Parallel()
	for name, h := range harnesses() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := h.Open(t)
			a := &agents{t, serve(t, b, withMCP)}
			two, other := hashOf(t, twoAgents), hashOf(t, otherAgents)
			do := func(who person, method, path, body string) {
				t.Helper()
				require.Equal(t, 200, a.person(who, method, appPath+path, body).Status)
			}
			do(creator, "PATCH", "/agents", twoAgents)
			do(helps, "POST", "/agents/approval", "")
			do(creator, "PATCH", "/agents", otherAgents)
			do(owner, "POST", "/publish", "")
			do(owner, "DELETE", "/agents/approval", "")
			rows := auditRows(t, b, "w")
			var told []string
			for _, row := range rows {
				m := row["metadata"].(map[string]any)
				told = append(
					told,
					fmt.Sprint(
						row["eventName"],
						" ",
						row["severity"],
						" ",
						row["actor"].(map[string]any)["userId"],
						" ",
						row["category"],
						" ",
						m["approvalSource"],
						" ",
						m["mockOnly"],
						" ",
						m["sourceVersion"],
					),
				)
				require.Equal(t, "app", row["target"].(map[string]any)["parentType"])
				require.Equal(t, "server_trusted", row["source"].(map[string]any)["trust"])
			}
			require.Equal(t, []string{
				"app.agents_config.approved info collaborator agents build_chat_mock true draft",
				"app.agents_config.stale notice creator agents <nil> false draft",
				"app.agents_config.approved notice owner agents publish false published",
				"app.agents_config.revoked warning owner agents <nil> false published",
			}, told)
			require.Equal(t, two, rows[0]["metadata"].(map[string]any)["agentsJsonHash"])
			require.Equal(t, two, rows[0]["target"].(map[string]any)["id"])
			require.Equal(t, map[string]any{
				"beforeHash": two, "afterHash": other, "changedFields": []any{}, "redactedFields": []any{},
			}, rows[1]["changes"])

			do(owner, "PATCH", "/agents", twoAgents)
			do(owner, "POST", "/agents/approval", "")
			m := &mcpTrial{agents: a, updated: make(chan string, 1)}
			m.session = m.connect(agentToken(t, agentClaims(nil)), "")
			var wrote struct{ ChangeSet string }
			m.call(&wrote, "write", `{"operations":[{"operation":"insert","collection":"leads","data":{}}]}`)
			m.call(&wrote, "undo", `{"changeSet":"`+wrote.ChangeSet+`"}`)
			rows = auditRows(t, b, "w")
			last := rows[len(rows)-1]
			require.Equal(t, "app_data.document.deleted", last["eventName"])
			require.Equal(t, two, last["metadata"].(map[string]any)["agentsJsonHash"])
		})
	}
}
