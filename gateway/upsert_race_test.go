package gateway_test

import (
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/secondgate/secondgate/conformance/client"
)

// racers is how many agents race.
const racers = 16

// rounds is how many keys they race for: few here, SECONDGATE_UPSERTS in `make upserts`.
func rounds(t *testing.T) int {
	text := os.Getenv("SECONDGATE_UPSERTS")
	if text == "" {
		return 12
	}
	n, err := strconv.Atoi(text)
	require.NoError(t, err)
	return n
}

// TestUpsertRace: 16 agents upsert one natural key at once, through two gateways of one database. There is
// one document for each key, with what every agent wrote, and every agent was told its id.
func TestUpsertRace(t *testing.T) {
	t.Parallel()
	for name, h := range harnesses() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := h.Open(t)
			gateways := []*agents{{t, serve(t, b, withAgents)}, {t, serve(t, h.Reopen(t, b), withAgents)}}
			a := gateways[0]
			require.Equal(
				t,
				200,
				a.person(owner, "POST", approvalURL, `{"agentsJson":`+manyAgents()+`}`).Status,
			)
			n := rounds(t)
			for round := range n {
				raceOnce(t, gateways, round)
			}
			reply := a.worker("read", racerBody(0, ""))
			require.Equal(t, 200, reply.Status)
			var listed struct{ Docs []map[string]any }
			require.NoError(t, json.Unmarshal([]byte(reply.Body), &listed))
			require.Len(t, listed.Docs, n, "one document for each key")
			for _, doc := range listed.Docs {
				require.Len(t, doc["by"], racers, "every agent's field is there: %v", doc)
			}
			t.Logf("%s: %d agents, %d rounds, %d documents", name, racers, n, len(listed.Docs))
		})
	}
}

// manyAgents is a file with all that race.
func manyAgents() string {
	var all []string
	for i := range racers {
		all = append(all, fmt.Sprintf(`{"id":"agent%d","dataCollections":["leads"]}`, i))
	}
	return `{"agents":[` + strings.Join(all, ",") + `]}`
}

func racerBody(agent int, more string) string {
	return fmt.Sprintf(
		`{"workspaceId":"w","appId":"a","sourceVersion":"draft","agentId":"agent%d","collection":"leads"%s}`,
		agent,
		more,
	)
}

// raceOnce has all agents upsert one key, half of them by each gateway.
func raceOnce(t *testing.T, gateways []*agents, round int) {
	t.Helper()
	var racing errgroup.Group
	ids := make([]string, racers)
	start := make(chan struct{})
	for i := range racers {
		racing.Go(func() error {
			<-start
			body := racerBody(i, fmt.Sprintf(
				`,"operation":"upsert","filter":{"key":"k%d"},"data":{"by.agent%d":%d}`, round, i, round))
			reply, err := client.Do(
				t.Context(),
				"POST",
				gateways[i%2].url+"/api/internal/app-data-write",
				body,
				"Authorization: Bearer "+internalToken,
			)
			if err != nil || reply.Status != 200 {
				return fmt.Errorf("round %d, agent %d: %v %s", round, i, err, reply.Body)
			}
			var answer struct {
				Doc struct {
					ID string `json:"_id"`
				}
			}
			err = json.Unmarshal([]byte(reply.Body), &answer)
			ids[i] = answer.Doc.ID
			return err
		})
	}
	close(start)
	require.NoError(t, racing.Wait())
	for _, id := range ids {
		require.Equal(t, ids[0], id, "round %d: all agents were told of one document", round)
	}
}
