package history

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"

	"github.com/secondgate/secondgate/protocol"
)

// replica is a client's copy of what it has listed and follows.
type replica struct {
	parts map[string]*part
}

// part is the copy of one collection, or of one document.
type part struct {
	collection, id string
	docs           map[string]string
	// complete: the last page has come; whole: and a bookmark after it, so that the copy counts.
	complete, whole bool
	asked           int  // requests under way
	again           bool // a reset has come: the answers under way do not count
	following       bool // a subscription has been answered on this connection
	leaving         bool
	cursor          string            // the last bookmark that spoke for this part
	saved           map[string]string // docs at the last bookmark
}

func newReplica() *replica { return &replica{map[string]*part{}} }

func (r *replica) part(collection, id string) *part {
	key := collection + "/" + id
	p := r.parts[key]
	if p == nil {
		p = &part{collection: collection, id: id, docs: map[string]string{}}
		r.parts[key] = p
	}
	return p
}

func (r *replica) remove(p *part) { delete(r.parts, p.collection+"/"+p.id) }

// change applies a change to every part that it concerns (with none: that is followed); false if
// there is none.
func (r *replica) change(m protocol.Received, none bool) (concerns bool) {
	for _, p := range []*part{r.parts[m.Collection+"/"], r.parts[m.Collection+"/"+m.DocID]} {
		if p == nil || none && !p.following {
			continue
		}
		concerns = true
		if m.Operation == "delete" {
			delete(p.docs, m.DocID)
		} else {
			p.docs[m.DocID] = string(m.Doc)
		}
	}
	return concerns
}

// commit is a bookmark: what is complete counts from here on.
func (r *replica) commit(cursor string, none bool) {
	for _, p := range r.parts {
		if none && !p.following {
			continue
		}
		p.cursor = cursor
		p.whole = p.complete && p.asked == 0 || p.whole && p.asked > 0
		p.saved = maps.Clone(p.docs)
	}
}

// rollBack drops what came after the last bookmark.
func (r *replica) rollBack() {
	for key, p := range r.parts {
		p.docs = maps.Clone(p.saved)
		r.reconnect(key, p)
	}
}

// keepWhole keeps what was applied at once, but for lists that were not finished.
func (r *replica) keepWhole() {
	for key, p := range r.parts {
		if p.asked > 0 || !p.complete {
			p.whole = false
		}
		r.reconnect(key, p)
	}
}

func (r *replica) reconnect(key string, p *part) {
	if p.leaving {
		delete(r.parts, key)
		return
	}
	if p.docs == nil {
		p.docs = map[string]string{}
	}
	p.complete, p.asked, p.following, p.again = p.whole, 0, false, false
}

// void is a reset.
func (r *replica) void() {
	for _, p := range r.parts {
		p.whole, p.complete = false, false
		p.docs = map[string]string{}
	}
}

// settled tells whether every part counts.
func (r *replica) settled(none bool) bool {
	for _, p := range r.parts {
		if !p.whole || none && !p.following {
			return false
		}
	}
	return len(r.parts) > 0
}

func (p *part) String() string { return p.collection + "/" + p.id }

func (p *part) clear() {
	p.docs = map[string]string{}
	p.complete, p.whole = false, false
}

func (p *part) put(doc json.RawMessage) {
	var d struct {
		ID string `json:"_id"`
	}
	_ = json.Unmarshal(doc, &d) // without an id it will differ
	p.docs[d.ID] = string(doc)
}

// differs explains the first difference between the copy, if it counts, and the database.
func (p *part) differs(want map[string]string) string {
	if !p.whole || p.leaving {
		return ""
	}
	for id, doc := range p.docs {
		if p.id != "" && id != p.id {
			return fmt.Sprintf("it holds %s", id)
		}
		if want[id] != doc {
			return fmt.Sprintf("%s is %s, in the database %s", id, doc, cmp.Or(want[id], "gone"))
		}
	}
	for id, doc := range want {
		if _, ok := p.docs[id]; !ok && (p.id == "" || p.id == id) {
			return fmt.Sprintf("%s is missing, in the database it is %s", id, doc)
		}
	}
	return ""
}
