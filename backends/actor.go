package backends

import "strings"

// unnamed is the text of the zero Actor of a gateway's write. An outside writer has no text.
const unnamed = "gateway:"

// String is the actor as drivers store it.
func (a Actor) String() string {
	if a == (Actor{}) {
		return unnamed
	}
	if a.Run == "" {
		return a.Kind + ":" + a.ID
	}
	return a.Kind + "/" + a.Run + ":" + a.ID
}

// ParseActor reads what String wrote. It takes any other text for an outside writer.
func ParseActor(text string) Actor {
	if text == unnamed {
		return Actor{}
	}
	head, id, _ := strings.Cut(text, ":")
	kind, run, _ := strings.Cut(head, "/")
	return Actor{Kind: kind, ID: id, Run: run}
}
