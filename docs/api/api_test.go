package api_test

import (
	"encoding/json"
	"io/fs"
	"os"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/docs/api"
	"github.com/secondgate/secondgate/docs/api/apitest"
	"github.com/secondgate/secondgate/protocol"
)

func read[T any](t *testing.T, file string) (v T) {
	t.Helper()
	text, err := fs.ReadFile(api.Files, file)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &v), file)
	return v
}

func vectors[T any](t *testing.T, file string) (v T) {
	t.Helper()
	text, err := os.ReadFile("../../protocol/testdata/" + file)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &v), file)
	return v
}

// TestCodes: the schemas have the codes of protocol's table, with their statuses and what may be
// tried again.
func TestCodes(t *testing.T) {
	t.Parallel()
	type enum struct{ Enum []protocol.Code }
	errors := read[struct {
		If   struct{ Properties struct{ Code enum } }
		Defs map[string]enum `json:"$defs"`
	}](t, "schema/error.json")
	refusals := read[struct {
		Defs map[string]struct{ Properties struct{ Error enum } } `json:"$defs"`
	}](t, "schema/refusal.json")
	var all, retryable []protocol.Code
	statuses := map[int][]protocol.Code{405: {protocol.CodeInvalidMessage}}
	for _, c := range protocol.Codes {
		all = append(all, c.Code)
		if c.Retryable {
			retryable = append(retryable, c.Code)
		}
		statuses[c.HTTP] = append(statuses[c.HTTP], c.Code)
	}
	require.Equal(t, all, errors.Defs["code"].Enum)
	require.Equal(t, retryable, errors.If.Properties.Code.Enum)
	got := map[int][]protocol.Code{}
	for status, refusal := range refusals.Defs {
		number, err := strconv.Atoi(status)
		require.NoError(t, err)
		got[number] = refusal.Properties.Error.Enum
	}
	require.Equal(t, statuses, got)
}

func TestReasons(t *testing.T) {
	t.Parallel()
	m := read[struct {
		Defs struct{ Reason struct{ Enum []string } } `json:"$defs"`
	}](t, "schema/message.json")
	require.Equal(
		t, []string{protocol.ResetExpired, protocol.ResetTooMuch, protocol.ResetLost}, m.Defs.Reason.Enum,
	)
}

// bySchema are the refusals of which a schema can tell; sizes, depth, ids and the rules of JSON are
// beyond it.
var bySchema = map[protocol.Code]bool{
	protocol.CodeInvalidMessage: true, protocol.CodeUnknownType: true, protocol.CodeInvalidJSON: true,
}

// TestRequests: of the shared vectors, what the gateway understands is valid, and what it refuses
// for its shape is not. The same goes for every damaged form of those that it understands.
func TestRequests(t *testing.T) {
	t.Parallel()
	var schemas apitest.Schemas
	understood, refused := 0, 0
	agree := func(name, frame string) {
		t.Helper()
		_, err := protocol.DecodeRequest([]byte(frame), protocol.DefaultLimits)
		invalid := schemas.Check(t, "schema/request.json", frame)
		switch code := protocol.CodeOf(err); {
		case err == nil:
			understood++
			require.NoError(t, invalid, "%s: %s", name, frame)
		case bySchema[code]:
			refused++
			require.Error(t, invalid, "%s: %s", name, frame)
		}
	}
	for _, v := range vectors[[]struct{ Name, Frame string }](t, "requests.json") {
		agree(v.Name, v.Frame)
		for _, d := range apitest.Damage(v.Frame) {
			agree(v.Name+", "+d.What, d.Text)
		}
	}
	t.Logf("%d understood, %d refused", understood, refused)
	require.Greater(t, understood, 100)
	require.Greater(t, refused, 1000)
}

// TestMessages: the shared vectors are valid, and not when anything of them is damaged.
func TestMessages(t *testing.T) {
	t.Parallel()
	var schemas apitest.Schemas
	damaged := 0
	for name, text := range vectors[map[string]string](t, "messages.json") {
		if name == "frame of two messages" { // of types that there are not
			continue
		}
		require.NoError(t, schemas.Check(t, "schema/message.json", text), text)
		damaged += schemas.Broken(t, "schema/message.json", text)
	}
	t.Logf("%d damaged messages", damaged)
	require.Greater(t, damaged, 1000)
}
