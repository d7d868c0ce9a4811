package backends

import "strings"

// unnamed is the text of the zero Actor of a gateway's write, to tell it from an outsider's, which is empty.
const unnamed = "gateway:"

// String is the actor as drivers keep it.
func (a Actor) String() string {
	if a == (Actor{}) {
		return unnamed
	}
	return a.Kind + ":" + a.ID
}

// ParseActor reads what String wrote, and takes anything else for an outsider's.
func ParseActor(text string) Actor {
	if text == unnamed {
		return Actor{}
	}
	kind, id, _ := strings.Cut(text, ":")
	return Actor{Kind: kind, ID: id}
}
