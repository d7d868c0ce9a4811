package protocol_test

import (
	"encoding/json"
	"os"
	"testing"
	"time"

	"github.com/secondgate/secondgate/protocol"
	"github.com/stretchr/testify/require"
)

// messages are all that a gateway sends, by name; testdata/messages.json holds their bytes.
func messages() map[string]string {
	at := time.UnixMilli(1_700_000_000_123)
	doc := protocol.NewDocument("d1", []byte(`{"a":1}`), at, at)
	ask := func(t protocol.Type) *protocol.Request {
		return &protocol.Request{Type: t, RequestID: "r1", Collection: "c", DocID: "d1"}
	}
	answer := func(a protocol.Answer) string { return string(a.Append(nil)) }
	conflict := protocol.Errorf(protocol.CodeConflict, "changed")
	welcome := protocol.Welcome{
		ConnectionID: "x", Resumed: true, HeartbeatMS: 25000, Limits: protocol.DefaultLimits,
	}
	expiry := time.Date(2026, 12, 1, 10, 0, 0, 0, time.UTC)
	known := welcome
	known.Identity = &protocol.Identity{
		UserID: "u1", UserName: "Ada", Role: "viewer", Rights: []string{"read", "write"}, ExpiresAt: expiry,
	}
	counted := ask(protocol.TypeQuery)
	counted.Count = true
	batch := &protocol.Request{
		Type:      protocol.TypeBatch,
		RequestID: "r1",
		Operations: []protocol.Request{
			*ask(protocol.TypeInsert), *ask(protocol.TypeUpsert), *ask(protocol.TypeDelete),
		},
	}
	trigger := &protocol.Request{Type: protocol.TypeAgentTrigger, RequestID: "r1", AgentID: "e1"}
	return map[string]string{
		"welcome":       string(welcome.Append(nil)),
		"welcome, user": string(known.Append(nil)),
		"change insert": string(protocol.AppendChange(nil, "c", "insert", "d1", doc)),
		"change delete": string(protocol.AppendChange(nil, "c", "delete", "d1", nil)),
		"change by": string(protocol.AppendAuthor(
			nil, protocol.AppendChange(nil, "c", "delete", "d1", nil),
			protocol.Author{Kind: "agent", ID: "e1", Run: "6b0d8d5a83546ffaffea796a"},
		)),
		"change by nobody known": string(protocol.AppendAuthor(
			nil, protocol.AppendChange(nil, "c", "insert", "d1", doc), protocol.Author{Kind: "anonymous"},
		)),
		"bookmark": string(protocol.AppendBookmark(nil, "cur")),
		"settled":  string(protocol.AppendSettled(nil, "r1")),
		"reset":    string(protocol.AppendReset(nil, "cursor_expired", 20)),
		"goaway":   string(protocol.AppendGoAway(nil, 300)),
		"error": string(
			protocol.AppendFrameError(nil, "", protocol.Errorf(protocol.CodeInvalidJSON, "no JSON")),
		),
		"list": answer(
			protocol.Answer{Request: ask(protocol.TypeList), Docs: []protocol.Document{*doc}, Next: "n"},
		),
		"list, empty": answer(protocol.Answer{Request: ask(protocol.TypeList)}),
		"list, failed": answer(
			protocol.Answer{
				Request: ask(protocol.TypeList),
				Err:     protocol.Errorf(protocol.CodeUnavailable, "away"),
			},
		),
		"query": answer(
			protocol.Answer{Request: counted, Docs: []protocol.Document{*doc}, Next: "n", Count: 12},
		),
		"query, failed": answer(protocol.Answer{
			Request: ask(protocol.TypeQuery),
			Err: protocol.Errorf(
				protocol.CodeInvalidFilter,
				"there is no operator $ne: use $eq, $in, $gt, $gte, $lt, $lte or $exists",
			),
		}),
		"doc":            answer(protocol.Answer{Request: ask(protocol.TypeDoc), Doc: doc}),
		"doc, none":      answer(protocol.Answer{Request: ask(protocol.TypeDoc)}),
		"insert":         answer(protocol.Answer{Request: ask(protocol.TypeInsert), Doc: doc, DocID: "d1"}),
		"update":         answer(protocol.Answer{Request: ask(protocol.TypeUpdate), Doc: doc, DocID: "d1"}),
		"update, failed": answer(protocol.Answer{Request: ask(protocol.TypeUpdate), Err: conflict}),
		"delete":         answer(protocol.Answer{Request: ask(protocol.TypeDelete), DocID: "d1"}),
		"upsert, replayed": answer(
			protocol.Answer{
				Request:  ask(protocol.TypeUpsert),
				Doc:      doc,
				DocID:    "d1",
				Created:  true,
				Replayed: true,
			},
		),
		"subscribe": answer(
			protocol.Answer{Request: ask(protocol.TypeSubscribe), Docs: []protocol.Document{*doc}},
		),
		"subscribe, resumed": answer(protocol.Answer{Request: ask(protocol.TypeSubscribe), Resumed: true}),
		"unsubscribe":        answer(protocol.Answer{Request: ask(protocol.TypeUnsubscribe)}),
		"ping": answer(
			protocol.Answer{Request: &protocol.Request{Type: protocol.TypePing, RequestID: "r1"}},
		),
		"refresh": answer(
			protocol.Answer{
				Request: &protocol.Request{
					Type:      protocol.TypeAuthRefresh,
					RequestID: "r1",
				}, ExpiresAt: expiry,
			},
		),
		"agents": answer(protocol.Answer{
			Request: &protocol.Request{Type: protocol.TypeAgents, RequestID: "r1"},
			Agents:  []protocol.Agent{{ID: "e1", Name: "Enricher", Description: "Looks up."}},
		}),
		"triggered": answer(protocol.Answer{Request: trigger, RunID: "6b0d8d5a83546ffaffea796a"}),
		"triggered, again": answer(
			protocol.Answer{Request: trigger, RunID: "6b0d8d5a83546ffaffea796a", Replayed: true},
		),
		"triggered, failed": answer(protocol.Answer{
			Request: trigger, RunID: "6b0d8d5a83546ffaffea796a", Err: protocol.Errorf(protocol.CodeAgentNotFound, "none"),
		}),
		"follow": answer(protocol.Answer{
			Request: &protocol.Request{
				Type:      protocol.TypeAgentFollow,
				RequestID: "r1",
				RunID:     "6b0d8d5a83546ffaffea796a",
			},
			RunID: "6b0d8d5a83546ffaffea796a", Status: "streaming",
		}),
		"run completed": string(
			protocol.AppendAgentUpdate(nil, "e1", "6b0d8d5a83546ffaffea796a", "completed", ""),
		),
		"run refused": string(
			protocol.AppendAgentUpdate(nil, "e9", "6b0d8d5a83546ffaffea796a", "failed", "none"),
		),
		"run failed": string(
			protocol.AppendAgentUpdate(nil, "e1", "6b0d8d5a83546ffaffea796a", "failed", "It broke."),
		),
		"batch": answer(
			protocol.Answer{
				Request: batch,
				Results: []protocol.Answer{
					{Request: &batch.Operations[0], Doc: doc, DocID: "d1", Created: true},
					{
						Request: &batch.Operations[1],
						Doc:     doc,
						DocID:   "d1",
					}, {Request: &batch.Operations[2], DocID: "d1"},
				},
			},
		),
		"batch, failed": answer(protocol.Answer{Request: batch, Err: conflict}),
		"frame of two messages": string(
			protocol.AppendFrame(nil, []byte(`{"type":"a"}`), []byte(`{"type":"b"}`)),
		),
	}
}

func TestMessageVectors(t *testing.T) {
	got := messages()
	if *update {
		text, err := json.MarshalIndent(got, "", "  ")
		require.NoError(t, err)
		require.NoError(t, os.WriteFile("testdata/messages.json", append(text, '\n'), 0o644))
	}
	want := load[map[string]string](t, "messages.json")
	require.Equal(t, want, got, "if the change of the wire is meant, run go test ./protocol -update")
	for name, text := range got {
		read, err := protocol.DecodeFrame([]byte(text))
		require.NoError(t, err, name)
		require.NotEmpty(t, read)
	}
}

func TestDecodeFrameReadsWhatWasSent(t *testing.T) {
	all := messages()
	read, err := protocol.DecodeFrame(
		[]byte(
			"[" + all["welcome"] + "," + all["update, failed"] + "," + all["batch"] + `,{"type":"second:data:later","new":1}]`,
		),
	)
	require.NoError(t, err)
	require.Len(t, read, 4)
	require.Equal(t, 25000, read[0].HeartbeatMS)
	require.Equal(t, protocol.DefaultLimits, read[0].Limits)
	require.Equal(t, protocol.CodeConflict, read[1].Error.Code)
	require.Equal(t, "d1", read[2].Results[1].DocID)
	for _, damaged := range []string{"", "[", `{"type":1}`, "5"} {
		_, err := protocol.DecodeFrame([]byte(damaged))
		require.Error(t, err, damaged)
	}
}
