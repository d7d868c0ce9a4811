package client

import "encoding/json"

// Stamps are what checkers compare of a document without its data.
type Stamps struct {
	ID      string `json:"_id"`
	Created string `json:"_createdAt"`
	Updated string `json:"_updatedAt"`
	Rev     string `json:"_rev"`
	// N is the number that checkers count versions with.
	N int `json:"n"`
}

// StampsOf reads a document's stamps. They are zero for null, and a comparison then fails.
func StampsOf(doc json.RawMessage) (s Stamps) {
	_ = json.Unmarshal(doc, &s)
	return s
}
