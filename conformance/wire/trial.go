package wire

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"

	"github.com/secondgate/secondgate/conformance/client"
	"github.com/secondgate/secondgate/conformance/rule"
	"github.com/secondgate/secondgate/protocol"
)

// trial is one gateway under one rule. Checks are written with it.
type trial struct {
	*rule.Attempt
	ctx    context.Context
	target Target
	// scope is the one that the rule works in.
	scope protocol.Scope
	// mark is in every name that the rule makes up.
	mark        string
	scopes      []protocol.Scope
	collections []string
}

// must ends the attempt unless ok.
func (r *trial) must(ok bool, format string, args ...any) {
	if !ok {
		r.Fatalf(format, args...)
	}
}

// want ends the attempt unless both are equal.
func (r *trial) want(what string, got, want any) {
	if !reflect.DeepEqual(got, want) {
		r.Fatalf("%s: got %s want %s", what, show(got), show(want))
	}
}

// show is a value for people, who read neither bytes as numbers nor megabytes at all.
func show(v any) string {
	text := fmt.Sprintf("%+v", v)
	if s, isText := v.(string); isText && s == "" {
		text = `""`
	}
	if len(text) > 1000 {
		text = fmt.Sprintf("%s… (%d bytes)", text[:1000], len(text))
	}
	return text
}

// named is a collection that nobody else has.
func (r *trial) named(name string) string {
	name += "-" + r.mark
	r.collections = append(r.collections, name)
	return name
}

// draft is the draft of the rule's app.
func (r *trial) draft() protocol.Scope {
	s := r.scope
	s.Draft = true
	r.scopes = append(r.scopes, s)
	return s
}

// others are the scopes that a careless gateway would take for the rule's own. Where the app is
// given there is only its draft.
func (r *trial) others() []protocol.Scope {
	others := []protocol.Scope{r.draft()}
	if r.target.App == "" {
		near := r.scope
		near.App += "_"
		upper := r.scope
		upper.App = "C" + upper.App[1:]
		others = append(others, near, upper)
	}
	r.scopes = append(r.scopes, others...)
	return others
}

// tidy deletes what the rule wrote. It runs when the rule's own time may be over.
func (r *trial) tidy() {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.ctx), r.target.wait())
	defer cancel()
	for _, s := range r.scopes {
		if len(r.collections) == 0 {
			return
		}
		if err := clearCollections(
			ctx, client.URL(r.target.URL, s, "changes", "none"), r.collections,
		); err != nil &&
			!r.Failed() {
			r.Errorf("what the rule wrote could not be deleted: %v", err)
		}
	}
}

func clearCollections(ctx context.Context, address string, collections []string) error {
	c, err := client.Dial(ctx, address)
	if err != nil {
		return err
	}
	defer c.Close()
	for _, name := range collections {
		for more := true; more; {
			if more, err = clearPage(ctx, c, name); err != nil {
				return err
			}
		}
	}
	return nil
}

// clearPage deletes the first page of a collection; more tells that there was one.
func clearPage(ctx context.Context, c *client.Client, collection string) (more bool, err error) {
	page, err := c.Call(
		ctx,
		protocol.Request{
			Type: protocol.TypeList, Collection: collection, Limit: max(1, c.Welcome.Limits.Operations),
		},
	)
	if err != nil || len(page.Docs) == 0 {
		return false, err
	}
	batch := protocol.Request{Type: protocol.TypeBatch}
	for _, doc := range page.Docs {
		batch.Operations = append(
			batch.Operations, protocol.Request{Type: protocol.TypeDelete, Collection: collection, DocID: idOf(doc)},
		)
	}
	answer, err := c.Call(ctx, batch)
	if err == nil && answer.Error != nil {
		err = fmt.Errorf("%s: %s", answer.Error.Code, answer.Error.Message)
	}
	return true, err
}

func idOf(doc json.RawMessage) string { return stamp(doc).ID }

// rev is a document's revision.
func rev(doc json.RawMessage) string { return stamp(doc).Rev }

func stamp(doc json.RawMessage) client.Stamps { return client.StampsOf(doc) }

const pad = "lorem ipsum dolor sit amet, consectetur adipiscing elit, " +
	"sed do eiusmod tempor incididunt ut labore"
