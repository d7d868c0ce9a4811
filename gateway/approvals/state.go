package approvals

import (
	"encoding/json"
	"time"

	"github.com/secondgate/secondgate/protocol"
)

// The sources of an approval, as upstream names them.
const (
	SourceBuildChat     = "build_chat"      // a draft's, by an owner or admin
	SourceBuildChatMock = "build_chat_mock" // a draft's, by somebody else who builds the app
	SourcePublish       = "publish"
)

// State is the agents.json of one version of an app.
type State struct {
	// File is the text, nil if there is none.
	File *string `json:"file"`
	// Approval is nil unless somebody has approved the file, or what the file is about to be.
	Approval *Approval `json:"approval"`
}

// Approval says who approved what.
type Approval struct {
	// Hash is empty if it was approved that there is no file.
	Hash string `json:"hash"`
	// Payload is the approved file, normalised. Rights are read from it.
	Payload    string `json:"payload"`
	ByUserID   string `json:"byUserId"`
	ByUserName string `json:"byUserName"`
	At         string `json:"at"`
	Source     string `json:"source"`
}

// Event is a line of the history.
type Event struct {
	Event      string `json:"event"` // saved, approved, stale, revoked, published
	Version    string `json:"version"`
	Hash       string `json:"hash"`
	ByUserID   string `json:"byUserId"`
	ByUserName string `json:"byUserName"`
	At         string `json:"at"`
	Source     string `json:"source,omitempty"`
	after      string // of stale: the hash of the file that was saved
}

// holds is the approved manifest if the approval counts for the file: it does while there is no file,
// since a file may be approved before the build that makes it has ended, and else for this file alone.
func (s *State) holds() *Manifest {
	if s.Approval == nil || s.Approval.Hash == "" {
		return nil
	}
	if s.File != nil {
		file, err := ParseManifest(*s.File)
		if err != ErrMissing && (err != nil || file.Hash() != s.Approval.Hash) {
			return nil
		}
	}
	m, err := ParseManifest(s.Approval.Payload)
	if err != nil {
		return nil
	}
	return m
}

// hashOf is the hash of a text, empty for one that is missing or invalid.
func hashOf(text string) string {
	m, err := ParseManifest(text)
	if err != nil {
		return ""
	}
	return m.Hash()
}

// stored is a State with the revision of its document, empty if there is none.
type stored struct {
	State
	rev string
}

func decodeState(doc *protocol.Document) (s stored, err error) {
	if doc == nil {
		return s, nil
	}
	s.rev = doc.Rev
	return s, json.Unmarshal(doc.Data, &s.State)
}

// canonical is v as a document's data.
func canonical(v any) ([]byte, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	return protocol.Canonical(text)
}

func timestamp(t time.Time) string { return string(protocol.AppendTime(nil, t)) }

// View is a state as people are shown it.
type View struct {
	// FileHash is the file's, empty if there is none that is valid.
	FileHash string `json:"fileHash"`
	// Approved: agents have the rights of the approved file.
	Approved bool      `json:"approved"`
	Approval *Approval `json:"approval"`
}

// View shows a state.
func (s *State) View() View {
	v := View{Approved: s.holds() != nil, Approval: s.Approval}
	if s.File != nil {
		v.FileHash = hashOf(*s.File)
	}
	return v
}
