package mongodb

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/backends/driverkit"
	"github.com/secondgate/secondgate/protocol"
)

// maxScan is how many documents a collection may have for a check to read all of them.
const maxScan = 20_000

// Check examines a database. It changes nothing in it, and makes nothing that does not exist.
func Check(ctx context.Context, url string) []backends.Finding {
	c := &check{}
	name, err := databaseOf(url)
	if err != nil {
		c.Error(err)
		return c.Findings
	}
	connecting, err := clientOptions(url)
	if err != nil {
		c.Error(err)
		return c.Findings
	}
	client, err := mongo.Connect(connecting)
	if err != nil {
		c.Error(errURL)
		return c.Findings
	}
	defer func() { _ = client.Disconnect(context.WithoutCancel(ctx)) }()
	c.b = &Backend{client: client, database: client.Database(name)}
	c.b.docs = c.b.database.Collection(documentsName)
	if err := c.server(ctx); err != nil {
		c.Error(refused(explainSelection(ctx, url, err)))
		return c.Findings
	}
	for _, step := range []func(context.Context) error{c.rights, c.documents, c.entries, c.oplog, c.images} {
		if err := step(ctx); err != nil {
			c.Error(refused(err))
		}
	}
	return c.Findings
}

type check struct {
	driverkit.Report
	b *Backend // of which only the client and the collections are set
}

// admin runs a command that only reads.
func (c *check) admin(ctx context.Context, command bson.D, into any) error {
	return c.b.client.Database("admin").RunCommand(ctx, command).Decode(into)
}

func (c *check) server(ctx context.Context) error {
	asked := time.Now()
	h, err := hello(ctx, c.b.client)
	if err != nil {
		return err
	}
	if err := h.usable(); err != nil {
		return err
	}
	var build struct{ Version string }
	if err := c.admin(ctx, bson.D{{Key: "buildInfo", Value: 1}}, &build); err != nil {
		return err
	}
	c.OK("MongoDB %s, primary of the replica set %s", build.Version, h.SetName)
	c.ServerClock(h.Now, asked, "cursors expire by")
	return nil
}

// documents examines the collection and, if it is small, the documents in it.
func (c *check) documents(ctx context.Context) error {
	kind, imaged, err := c.collection(ctx)
	switch {
	case err != nil:
		return err
	case kind == "":
		c.Warn("nothing to do for a new database; check the URL's path if there should be data",
			"the collection app_data is not there yet: serve makes it")
		return nil
	case kind != "collection":
		c.Fail("name another database", "app_data is a %s, not a collection", kind)
		return nil
	case !imaged:
		c.Warn("serve switches them on; or run "+
			`db.runCommand({collMod: "app_data", changeStreamPreAndPostImages: {enabled: true}})`,
			"pre- and post-images of app_data are off: without them nobody can say what a delete was")
	default:
		c.OK("pre- and post-images of app_data are on")
	}
	if err := c.indexes(ctx); err != nil {
		return err
	}
	return c.scan(ctx)
}

// collection returns the type of app_data, "" if it does not exist, and whether it has images.
func (c *check) collection(ctx context.Context) (kind string, imaged bool, err error) {
	found, err := c.b.database.ListCollectionSpecifications(ctx, bson.D{{Key: "name", Value: c.b.docs.Name()}})
	if err != nil || len(found) == 0 {
		return "", false, err
	}
	on, _ := found[0].Options.Lookup("changeStreamPreAndPostImages", "enabled").BooleanOK()
	return found[0].Type, on, nil
}

// indexes compares the indexes of app_data with those that serve makes.
func (c *check) indexes(ctx context.Context) error {
	exist, err := c.b.docs.Indexes().ListSpecifications(ctx)
	if err != nil {
		return err
	}
	missing := false
	for _, index := range documentIndexes {
		keys, _ := bson.Marshal(index.Keys) // names and numbers
		if !hasIndex(exist, index) {
			missing = true
			fix := fmt.Sprintf("serve makes it, for which it waits at its start; "+
				"on a big collection run db.app_data.createIndex(%s) before", bson.Raw(keys))
			c.Warn(fix, "app_data has no index %s", bson.Raw(keys))
		}
	}
	if !missing {
		c.OK("app_data has its indexes")
	}
	return nil
}

// entries examines the ledger, if it exists. Two entries of one key would both be found.
func (c *check) entries(ctx context.Context) error {
	exist, err := c.b.ledger().Indexes().ListSpecifications(ctx)
	if err != nil || len(exist) == 0 {
		return err
	}
	if !hasIndex(exist, entryIndex()) {
		c.Fail("serve makes it; if it cannot, remove entries of one kind and key, "+
			"or an index of these fields that is not unique", "app_data_ledger has no unique index {kind: 1, key: 1}")
	}
	return nil
}

// scan reads all documents of a small collection as clients would.
func (c *check) scan(ctx context.Context) error {
	n, err := c.b.docs.EstimatedDocumentCount(ctx)
	if err != nil {
		return err
	}
	if n > maxScan {
		c.OK("app_data holds about %d documents, too many to examine each", n)
		return nil
	}
	seen, noScope := map[protocol.Ref]bool{}, 0
	var withheld, twice []protocol.Ref
	note := func(r protocol.Ref) { withheld = append(withheld, r) }
	c.b.withheld = &driverkit.Withheld{Log: slog.New(slog.DiscardHandler), Report: note}
	found, err := c.b.docs.Find(ctx, bson.D{})
	if err != nil {
		return err
	}
	defer closeCursor(ctx, found)
	for found.Next(ctx) {
		before := len(withheld)
		s, ok := c.b.read(found.Current)
		switch {
		case !ok && len(withheld) == before:
			noScope++
		case ok && seen[s.ref]:
			twice = append(twice, s.ref)
		}
		seen[s.ref] = ok
	}
	if err := found.Err(); err != nil {
		return err
	}
	c.scanned(len(seen), withheld, twice, noScope)
	return nil
}

func (c *check) scanned(n int, withheld, twice []protocol.Ref, noScope int) {
	if len(withheld) > 0 {
		c.Warn("see docs/operations.md for the values that have no JSON form; "+
			"clients see the document once it is changed",
			"%d documents are withheld from clients, one of them %s", len(withheld), withheld[0])
	}
	if len(twice) > 0 {
		c.Warn("remove one of the two: clients see either",
			"%d ids are there twice, one of them %s", len(twice), twice[0])
	}
	if noScope > 0 {
		c.Warn("set them if these are documents of an app",
			"%d documents lack workspaceId, appId or collection, and belong to nobody", noScope)
	}
	if len(withheld)+len(twice)+noScope == 0 {
		c.OK("clients can be shown every document (%d)", n)
	}
}

// lacksRight reports whether a step of the check lacks a right that serving does not need. That does
// not fail the check.
func lacksRight(err error) bool { return hasCode(err, codeUnauthorized) }
