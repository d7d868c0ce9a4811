// Package vectors is the table of JSON that documents may hold, for every set of rules.
package vectors

import (
	_ "embed"
	"encoding/hex"
	"encoding/json"

	"github.com/secondgate/secondgate/protocol"
)

// vectorsJSON is a copy of protocol/testdata/documents.json, because the binary has no files beside
// it. A test keeps the two equal.
//
//go:embed vectors.json
var vectorsJSON []byte

// Vector is a row of the table of JSON that is kept. Canonical is empty where the text is refused,
// with Code.
type Vector struct {
	Name, Input, Canonical string
	Code                   protocol.Code
	// Hex stands for Input where that is no UTF-8.
	Hex string
}

// All returns the rows of the table whose text is written out.
func All() (rows []Vector) {
	var all []Vector
	if err := json.Unmarshal(vectorsJSON, &all); err != nil {
		panic(err) // the file is part of this program
	}
	for _, v := range all {
		if raw, err := hex.DecodeString(v.Hex); err == nil && v.Hex != "" {
			v.Input = string(raw)
		}
		if v.Input != "" {
			rows = append(rows, v)
		}
	}
	return rows
}
