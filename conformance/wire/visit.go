package wire

import (
	"fmt"
	"regexp"

	"github.com/secondgate/secondgate/protocol"
)

// visit is a door under a rule. The rules that hold for every transport are written with it.
type visit struct {
	*trial
	Door
	// c is a collection that nobody else has.
	c string
}

// shared is a rule whose text holds for more than one transport.
type shared struct {
	name, says string
	check      func(v *visit)
}

// doorRules are the shared rules, once for each transport that can say what they need.
func doorRules() (rules []Rule) {
	for _, s := range sharedRules() {
		rules = append(rules, s.over("ws"), s.over("rest"))
	}
	for _, s := range append(upsertRules, batchRules...) {
		rules = append(rules, s.over("ws"))
	}
	return rules
}

func sharedRules() (all []shared) {
	for _, group := range [][]shared{
		documentRules, jsonRules, scopeRules, writeRules, mutationRules, listRules,
	} {
		all = append(all, group...)
	}
	return all
}

func (s shared) over(transport string) Rule {
	return Rule{
		ID: transport + "/" + s.name, Says: s.says,
		Check: func(r *trial) { s.check(&visit{r, r.door(transport, r.scope), r.named("notes")}) },
	}
}

func (r *trial) door(transport string, s protocol.Scope) Door {
	if transport == "rest" {
		return restDoor{r, s}
	}
	return socketDoor{r.dialScope(s, "changes", "none")}
}

// in is the same door of another scope.
func (v *visit) in(s protocol.Scope) *visit {
	transport := "ws"
	if _, rest := v.Door.(restDoor); rest {
		transport = "rest"
	}
	return &visit{v.trial, v.door(transport, s), v.c}
}

// ok makes a request that must be carried out.
func (v *visit) ok(q protocol.Request) protocol.Received {
	m := v.Call(q)
	v.must(m.Error == nil, "%s %s was refused: %+v", q.Type, q.DocID, m.Error)
	return m
}

// refuse makes a request that must be refused with the code.
func (v *visit) refuse(code protocol.Code, q protocol.Request) {
	m := v.Call(q)
	v.must(m.Error != nil, "%s %s was carried out: want %s", q.Type, q.DocID, code)
	v.want(fmt.Sprintf("code of %s %s", q.Type, q.DocID), m.Error.Code, code)
}

func (v *visit) insert(id, data string) string { return string(v.ok(insert(v.c, id, data)).Doc) }
func (v *visit) update(id, data string) string { return string(v.ok(update(v.c, id, data)).Doc) }
func (v *visit) delete(id string)              { v.ok(remove(v.c, id)) }

// get is a document, "" for none.
func (v *visit) get(id string) string { return v.getFrom(v.c, id) }

func (v *visit) getFrom(collection, id string) string {
	d := string(v.ok(doc(collection, id)).Doc)
	if d == "null" {
		return ""
	}
	return d
}

// data wants a document's canonical data; "" wants no document.
func (v *visit) data(what, document, want string) {
	if document == "" && want == "" {
		return
	}
	v.want(what, v.split(document).data, want)
}

// list is a whole collection; the socket may cut it.
func (v *visit) list(collection string) (docs []string) {
	for q := list(collection); ; {
		m := v.ok(q)
		for _, d := range m.Docs {
			docs = append(docs, string(d))
		}
		if q.After = m.Next; q.After == "" {
			return docs
		}
	}
}

// parts are a document's.
type parts struct{ id, data, created, updated, rev string }

var document = regexp.MustCompile(
	`(?s)^\{"_id":("(?:[^"\\]|\\.)*")(?:,(.*))?` +
		`,"_createdAt":"([^"]*)","_updatedAt":"([^"]*)","_rev":"([^"]+)"\}$`,
)

// split takes a document apart: the id first, then the data, then times and revision.
func (r *trial) split(d string) parts {
	p := document.FindStringSubmatch(d)
	r.must(p != nil, "a document: got %s want _id, data, _createdAt, _updatedAt, _rev", show(d))
	return parts{p[1], "{" + p[2] + "}", p[3], p[4], p[5]}
}

var docBody = regexp.MustCompile(`(?s)^\{"doc":(.*)\}$`)

// docOf is the document of a REST answer.
func docOf(body string) string {
	if found := docBody.FindStringSubmatch(body); found != nil {
		return found[1]
	}
	return body
}
