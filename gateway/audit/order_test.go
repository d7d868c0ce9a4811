package audit

import (
	"encoding/json"
	"os"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/protocol"
)

// vectors are what Node made of values and words: see testdata/vectors.mjs.
type vectors struct {
	Made   string
	Hashes []struct {
		Value        json.RawMessage
		Stable, Hash string
	}
	Orders map[string][]string
}

func readVectors(t *testing.T) (v vectors) {
	t.Helper()
	text, err := os.ReadFile("testdata/vectors.json")
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &v))
	return v
}

// TestHashesAreThoseOfJavaScript: of each value the text that is hashed, and the hash.
func TestHashesAreThoseOfJavaScript(t *testing.T) {
	t.Parallel()
	for _, h := range readVectors(t).Hashes {
		canonical := canonicalValue(t, h.Value)
		require.Equal(t, h.Stable, string(appendStable(nil, canonical)))
		require.Equal(t, h.Hash, hashOf(canonical), h.Stable)
	}
}

// canonicalValue is a value's canonical form, by way of an object: documents are objects.
func canonicalValue(t *testing.T, value []byte) []byte {
	t.Helper()
	object, err := protocol.Canonical([]byte(`{"v":` + string(value) + `}`))
	require.NoError(t, err)
	canonical, _ := protocol.Member(object, "v")
	return canonical
}

// TestNamesAreOrderedAsByJavaScript: exactly for printable ASCII, and for the scripts that are listed.
func TestNamesAreOrderedAsByJavaScript(t *testing.T) {
	t.Parallel()
	v := readVectors(t)
	require.NotEmpty(t, v.Orders)
	for name, words := range v.Orders {
		wrong := 0
		for i := range words {
			for j := range i {
				if compareNames(words[j], words[i]) >= 0 {
					wrong++
				}
			}
		}
		t.Logf("%s: %d of %d pairs differ", name, wrong, len(words)*(len(words)-1)/2)
		if slices.Contains([]string{"ascii", "letters", "latin", "greek", "hebrew", "arabic", "kana", "hangul"}, name) {
			require.Zero(t, wrong, name)
		}
	}
}
