package mongodb

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/protocol"
)

const (
	// maxSkew is how far the server's clock may be from ours.
	maxSkew = 5 * time.Second
	// maxScan is up to how many documents all are read, to see which are withheld.
	maxScan = 20_000
)

// Check looks a database over without changing what it holds, and makes nothing where there is none.
func Check(ctx context.Context, url string) []backends.Finding {
	c := &check{}
	name, err := databaseOf(url)
	if err != nil {
		c.fails(err)
		return c.findings
	}
	client, err := mongo.Connect(clientOptions(url))
	if err != nil {
		c.found(backends.LevelFail, "look at its hosts and parameters", "the MongoDB URL cannot be used")
		return c.findings
	}
	defer func() { _ = client.Disconnect(context.WithoutCancel(ctx)) }()
	c.b = &Backend{client: client, database: client.Database(name)}
	c.b.docs = c.b.database.Collection("app_data")
	if err := c.server(ctx); err != nil {
		c.fails(refused(closer(ctx, url, err)))
		return c.findings
	}
	for _, step := range []func(context.Context) error{c.rights, c.documents, c.oplog, c.images} {
		if err := step(ctx); err != nil {
			c.fails(refused(err))
		}
	}
	return c.findings
}

type check struct {
	b        *Backend // its collections alone
	findings []backends.Finding
}

func (c *check) found(level, fix, what string, args ...any) {
	c.findings = append(c.findings, backends.Finding{Level: level, What: fmt.Sprintf(what, args...), Fix: fix})
}

func (c *check) fails(err error) {
	what, fix, _ := strings.Cut(err.Error(), ": ")
	c.found(backends.LevelFail, fix, "%s", what)
}

// admin runs a command that only reads.
func (c *check) admin(ctx context.Context, command bson.D, into any) error {
	return c.b.client.Database("admin").RunCommand(ctx, command).Decode(into)
}

func (c *check) server(ctx context.Context) error {
	asked := time.Now()
	h, err := greet(ctx, c.b.client)
	if err != nil {
		return err
	}
	if err := h.judge(); err != nil {
		return err
	}
	var build struct{ Version string }
	if err := c.admin(ctx, bson.D{{Key: "buildInfo", Value: 1}}, &build); err != nil {
		return err
	}
	c.found(backends.LevelOK, "", "MongoDB %s, primary of the replica set %s", build.Version, h.SetName)
	if skew := h.Now.Sub(asked).Abs(); skew > maxSkew {
		c.found(backends.LevelWarn, "set both clocks by NTP: documents carry the gateway's time, cursors expire by the server's", "the server's clock is %s off", skew.Round(time.Millisecond))
		return nil
	}
	c.found(backends.LevelOK, "", "the server's clock agrees")
	return nil
}

// documents looks at the collection and, if that is cheap, at what is in it.
func (c *check) documents(ctx context.Context) error {
	kind, imaged, err := c.look(ctx)
	switch {
	case err != nil:
		return err
	case kind == "":
		c.found(backends.LevelWarn, "nothing to do for a new database; check the URL's path if there should be data", "the collection app_data is not there yet: serve makes it")
		return nil
	case kind != "collection":
		c.found(backends.LevelFail, "name another database", "app_data is a %s, not a collection", kind)
		return nil
	case !imaged:
		c.found(backends.LevelWarn, `serve switches them on; or run db.runCommand({collMod: "app_data", changeStreamPreAndPostImages: {enabled: true}})`, "pre- and post-images of app_data are off: without them nobody can say what a delete was")
	default:
		c.found(backends.LevelOK, "", "pre- and post-images of app_data are on")
	}
	if err := c.indexes(ctx); err != nil {
		return err
	}
	return c.scan(ctx)
}

// look is what kind of collection app_data is, "" if it is not there, and whether it has images.
func (c *check) look(ctx context.Context) (kind string, imaged bool, err error) {
	found, err := c.b.database.ListCollectionSpecifications(ctx, bson.D{{Key: "name", Value: c.b.docs.Name()}})
	if err != nil || len(found) == 0 {
		return "", false, err
	}
	on, _ := found[0].Options.Lookup("changeStreamPreAndPostImages", "enabled").BooleanOK()
	return found[0].Type, on, nil
}

// indexes compares those that are there with those that serving makes.
func (c *check) indexes(ctx context.Context) error {
	there, err := c.b.docs.Indexes().ListSpecifications(ctx)
	if err != nil {
		return err
	}
	missing := false
	for _, index := range documentIndexes {
		keys, _ := bson.Marshal(index.Keys) // of names and numbers
		if !slices.ContainsFunc(there, func(s mongo.IndexSpecification) bool { return sameKeys(s.KeysDocument, keys) }) {
			missing = true
			c.found(backends.LevelWarn, fmt.Sprintf("serve makes it, for which it waits at its start; on a big collection run db.app_data.createIndex(%s) before", bson.Raw(keys)), "app_data has no index %s", bson.Raw(keys))
		}
	}
	if !missing {
		c.found(backends.LevelOK, "", "app_data has its indexes")
	}
	return nil
}

// sameKeys: directions are numbers of any type.
func sameKeys(a, b bson.Raw) bool {
	as, _ := a.Elements()
	bs, _ := b.Elements()
	return slices.EqualFunc(as, bs, func(x, y bson.RawElement) bool {
		m, ok1 := x.Value().AsFloat64OK()
		n, ok2 := y.Value().AsFloat64OK()
		return x.Key() == y.Key() && ok1 && ok2 && m == n
	})
}

// scan reads all documents of a small collection as clients would.
func (c *check) scan(ctx context.Context) error {
	n, err := c.b.docs.EstimatedDocumentCount(ctx)
	if err != nil {
		return err
	}
	if n > maxScan {
		c.found(backends.LevelOK, "", "app_data holds about %d documents, too many to look at each", n)
		return nil
	}
	withheld, homeless, seen, twice := []protocol.Ref(nil), 0, map[protocol.Ref]bool{}, []protocol.Ref(nil)
	c.b.withheld = &backends.Withheld{Log: slog.New(slog.DiscardHandler), Report: func(r protocol.Ref) { withheld = append(withheld, r) }}
	found, err := c.b.docs.Find(ctx, bson.D{})
	if err != nil {
		return err
	}
	defer leave(ctx, found)
	for found.Next(ctx) {
		before := len(withheld)
		s, ok := c.b.read(found.Current)
		switch {
		case !ok && len(withheld) == before:
			homeless++
		case ok && seen[s.ref]:
			twice = append(twice, s.ref)
		}
		seen[s.ref] = ok
	}
	if err := found.Err(); err != nil {
		return err
	}
	c.judge(len(seen), withheld, twice, homeless)
	return nil
}

func (c *check) judge(n int, withheld, twice []protocol.Ref, homeless int) {
	if len(withheld) > 0 {
		c.found(backends.LevelWarn, "see docs/operations.md for the values that have no JSON form; clients see the document once it is changed", "%d documents are withheld from clients, one of them %s", len(withheld), withheld[0])
	}
	if len(twice) > 0 {
		c.found(backends.LevelWarn, "remove one of the two: clients see either", "%d ids are there twice, one of them %s", len(twice), twice[0])
	}
	if homeless > 0 {
		c.found(backends.LevelWarn, "set them if these are documents of an app", "%d documents lack workspaceId, appId or collection, and belong to nobody", homeless)
	}
	if len(withheld)+len(twice)+homeless == 0 {
		c.found(backends.LevelOK, "", "clients can be shown every document (%d)", n)
	}
}

// lacksRight: of what only makes the check complete, it is no failure.
func lacksRight(err error) bool { return hasCode(err, codeUnauthorized) }
