package protocol_test

import (
	"strings"
	"testing"

	"github.com/secondgate/secondgate/protocol"
	"github.com/stretchr/testify/require"
)

// frame is one row of testdata/requests.json: a frame, and how it is understood or refused.
type frame struct {
	Name, Frame string
	// RequestID is what the refusal is addressed to: with none it is a second:data:error.
	RequestID string
	Code      protocol.Code
	// Says is part of the sentence that a refusal carries.
	Says string
}

func TestRequestVectors(t *testing.T) {
	limits := protocol.DefaultLimits
	limits.DocumentBytes, limits.Operations = 200, 3
	rows := load[[]frame](t, "requests.json")
	require.Greater(t, len(rows), 50)
	for _, v := range rows {
		t.Run(v.Name, func(t *testing.T) {
			r, err := protocol.DecodeRequest([]byte(v.Frame), limits)
			require.Equal(t, v.Code, protocol.CodeOf(err), "%v", err)
			require.Equal(t, v.RequestID, r.RequestID)
			if err != nil {
				require.Contains(t, err.Error(), v.Says)
				return
			}
			again, err := protocol.DecodeRequest(r.Append(nil), limits)
			require.NoError(t, err)
			require.Equal(t, r, again, "what is encoded decodes to the same")
		})
	}
}

func TestRequestIsUnderstood(t *testing.T) {
	r, err := protocol.DecodeRequest(
		[]byte(
			`{"type":"second:data:batch","requestId":"r","mutationId":"m","source":"second-platform","operations":[
		{"operation":"upsert","collection":"c","filter":{"b":1,"a":2},"data":{"z":1.0},"paths":true},
		{"operation":"delete","collection":"c","docId":"d","ifRev":"x"}]}`,
		),
		protocol.DefaultLimits,
	)
	require.NoError(t, err)
	require.Equal(t, protocol.Request{
		Type: protocol.TypeBatch, RequestID: "r", MutationID: "m", Operations: []protocol.Request{
			{
				Type: protocol.TypeUpsert, Collection: "c", Filter: []byte(`{"a":2,"b":1}`),
				Data: []byte(`{"z":1}`), Paths: true,
			},
			{Type: protocol.TypeDelete, Collection: "c", DocID: "d", IfRev: "x"},
		},
	}, r)
	require.True(t, r.Writes())
}

func TestDepthIsCountedFromTheDocument(t *testing.T) {
	deep := func(n int) string { return strings.Repeat(`{"a":`, n-1) + "{}" + strings.Repeat("}", n-1) }
	single := func(n int) string {
		return `{"type":"second:data:insert","requestId":"r","collection":"c","data":` + deep(n) + `}`
	}
	batch := func(n int) string {
		return `{"type":"second:data:batch","requestId":"r","operations":[{"operation":"insert","collection":"c","data":` + deep(
			n,
		) + `}]}`
	}
	for _, frame := range []func(int) string{single, batch} {
		_, err := protocol.DecodeRequest([]byte(frame(64)), protocol.DefaultLimits)
		require.NoError(t, err)
		_, err = protocol.DecodeRequest([]byte(frame(65)), protocol.DefaultLimits)
		require.Equal(t, protocol.CodeInvalidDocument, protocol.CodeOf(err))
	}
}
