package protocol_test

import (
	"encoding/json"
	"testing"

	"github.com/secondgate/secondgate/protocol"
	"github.com/stretchr/testify/require"
)

// FuzzCanonical: whatever is accepted is a fixed point, is JSON, and can be taken apart and merged
// again.
func FuzzCanonical(f *testing.F) {
	for _, seed := range []string{
		`{}`, `{"a":[1,{"b":null}],"c":"\u00e9\\"}`, `{"a":1e400}`, `{"a":1,"a":2}`, `{"\ud83d\ude00":-0}`,
		"{\"a\":\"\xff\"}", `{"a":9007199254740993}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		out, err := protocol.Canonical(in)
		if err != nil {
			var e *protocol.Error
			require.ErrorAs(t, err, &e)
			return
		}
		require.True(t, json.Valid(out))
		again, err := protocol.Canonical(out)
		require.NoError(t, err)
		require.Equal(t, string(out), string(again))
		require.Equal(t, string(out), string(protocol.Merge([]byte("{}"), out)), "taken apart and put together")
		require.Equal(t, string(out), string(protocol.Merge(out, out)))
	})
}

// FuzzDecodeRequest: no frame does more than fail with a named code, and what is understood can be
// sent again.
func FuzzDecodeRequest(f *testing.F) {
	for _, v := range []string{
		`{"type":"second:data:list","requestId":"1","collection":"c","limit":5}`,
		`{"type":"second:data:batch","requestId":"1","operations":[{"operation":"insert","collection":"c","data":{"a":1}}]}`,
		`{"type":"second:data:upsert","requestId":"1","collection":"c","filter":{"a":[1]},"data":{"$x":{}},"paths":true}`,
		`{"requestId":"1"`, `[]`, `{"type":1,"requestId":"a","requestId":"b"}`,
	} {
		f.Add([]byte(v))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		r, err := protocol.DecodeRequest(in, protocol.DefaultLimits)
		if err != nil {
			require.NotEqual(t, protocol.CodeInternal, protocol.CodeOf(err))
			return
		}
		again, err := protocol.DecodeRequest(r.Append(nil), protocol.DefaultLimits)
		require.NoError(t, err)
		require.Equal(t, r, again)
	})
}

// FuzzDecodeCursor: no text does more than fail, and what is read was written for this scope.
func FuzzDecodeCursor(f *testing.F) {
	s := protocol.Scope{Workspace: "w", App: "a"}
	f.Add(protocol.EncodeCursor(s, []byte("x")))
	f.Add("")
	f.Add("AAAA")
	f.Fuzz(func(t *testing.T, text string) {
		raw, err := protocol.DecodeCursor(s, text)
		if err == nil {
			require.Equal(t, text, protocol.EncodeCursor(s, raw))
		}
	})
}
