package mongodb

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// documentsName is the collection of existing deployments.
const documentsName = "app_data"

// The gateway's own collections.
const (
	mutationsName = "app_data_mutations" // records of mutations, by their key
	locksName     = "app_data_locks"     // a document for each collection with upserts by filter
	ledgerName    = "app_data_ledger"
	metaName      = "app_data_meta" // the floor of the history, and the leases of gateways
)

// mutationTime is how long mutations are kept, and locks that nobody uses: a day, and a margin
// because the server removes them at times of its own.
const mutationTime = 25 * time.Hour

var images = bson.D{{Key: "changeStreamPreAndPostImages", Value: bson.D{{Key: "enabled", Value: true}}}}

// documentIndexes are the indexes that existing deployments have: one for lists, one for look-ups.
var documentIndexes = []mongo.IndexModel{
	{Keys: bson.D{
		{Key: "workspaceId", Value: 1}, {Key: "appId", Value: 1}, {Key: "collection", Value: 1},
		{Key: "updatedAt", Value: -1},
	}},
	{Keys: bson.D{
		{Key: "workspaceId", Value: 1}, {Key: "appId", Value: 1}, {Key: "collection", Value: 1},
		{Key: "_id", Value: 1},
	}},
}

// entryIndex keeps two entries of the ledger from having one key. It is made anew each time: the
// driver writes to the options of an index that it makes.
func entryIndex() mongo.IndexModel {
	return mongo.IndexModel{
		Keys: bson.D{{Key: "kind", Value: 1}, {Key: "key", Value: 1}}, Options: options.Index().SetUnique(true),
	}
}

// ensureCollections makes the collections, indexes and images that are missing, and reads the
// epoch.
//
// It looks before it makes something. To make what exists has no effect, but it waits for every
// transaction that is open on the collection, such as one that a killed gateway has left behind.
func (b *Backend) ensureCollections(ctx context.Context) error {
	exist, err := b.database.ListCollectionNames(ctx, bson.D{})
	if err != nil {
		return err
	}
	// A transaction on a busy server may fail to make a collection, so all must exist before.
	for _, name := range []string{mutationsName, locksName, ledgerName, metaName, auditName} {
		if slices.Contains(exist, name) {
			continue
		}
		if err := b.create(ctx, name, nil); err != nil {
			return err
		}
	}
	if err := b.ensureDocuments(ctx); err != nil {
		return err
	}
	var errs []error
	for _, name := range []string{mutationsName, locksName} {
		errs = append(errs, b.ensureIndexes(ctx, b.database.Collection(name), mongo.IndexModel{
			Keys:    bson.D{{Key: "at", Value: 1}},
			Options: options.Index().SetExpireAfterSeconds(int32(mutationTime.Seconds())),
		}))
	}
	errs = append(errs, b.ensureIndexes(ctx, b.audit(), auditIndexes()...))
	return errors.Join(errors.Join(errs...), b.ensureIndexes(ctx, b.ledger(),
		entryIndex(),
		mongo.IndexModel{
			Keys: bson.D{{Key: "expires", Value: 1}}, Options: options.Index().SetExpireAfterSeconds(0),
		},
	))
}

func (b *Backend) create(ctx context.Context, name string, o bson.D) error {
	for {
		err := b.database.RunCommand(ctx, append(bson.D{{Key: "create", Value: name}}, o...)).Err()
		switch {
		case hasCode(err, codeNamespaceExists):
			return nil
		case !hasCode(err, codeDropPending) || ctx.Err() != nil:
			return err
		}
		time.Sleep(10 * time.Millisecond) // another program is dropping the database
	}
}

// ensureIndexes makes the indexes that are missing, by their keys.
func (b *Backend) ensureIndexes(
	ctx context.Context, collection *mongo.Collection, wanted ...mongo.IndexModel,
) error {
	exist, err := collection.Indexes().ListSpecifications(ctx)
	if err != nil {
		return err
	}
	var missing []mongo.IndexModel
	for _, w := range wanted {
		if !hasIndex(exist, w) {
			missing = append(missing, w)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	_, err = collection.Indexes().CreateMany(ctx, missing)
	return err
}

// hasIndex reports whether an index with these keys exists, which is unique if it must be. A
// direction may be a number of any type.
func hasIndex(exist []mongo.IndexSpecification, index mongo.IndexModel) bool {
	keys, _ := bson.Marshal(index.Keys) // names and numbers
	wanted, _ := bson.Raw(keys).Elements()
	unique := isUnique(index)
	return slices.ContainsFunc(exist, func(s mongo.IndexSpecification) bool {
		have, _ := s.KeysDocument.Elements()
		if unique && (s.Unique == nil || !*s.Unique) {
			return false
		}
		return slices.EqualFunc(have, wanted, func(x, y bson.RawElement) bool {
			m, ok1 := x.Value().AsFloat64OK()
			n, ok2 := y.Value().AsFloat64OK()
			return x.Key() == y.Key() && ok1 && ok2 && m == n
		})
	})
}

func isUnique(index mongo.IndexModel) bool {
	var o options.IndexOptions
	if index.Options != nil {
		for _, set := range index.Options.List() {
			_ = set(&o) // those that are used here cannot fail
		}
	}
	return o.Unique != nil && *o.Unique
}

// ensureDocuments makes app_data with its indexes and images where they are missing. They may be
// missing later too: one program may drop the collection, and another one may make it again by
// inserting.
func (b *Backend) ensureDocuments(ctx context.Context) error {
	epoch, imaged, err := b.examineDocuments(ctx)
	if errors.Is(err, errNoDocuments) {
		if err = b.create(ctx, b.docs.Name(), images); err == nil {
			epoch, imaged, err = b.examineDocuments(ctx)
		}
	}
	if err != nil {
		return err
	}
	if !imaged {
		command := append(bson.D{{Key: "collMod", Value: b.docs.Name()}}, images...)
		if err := b.database.RunCommand(ctx, command).Err(); err != nil {
			return fmt.Errorf("pre- and post-images are off, and the gateway cannot switch them on: "+
				"an administrator must run "+
				`db.runCommand({collMod: "app_data", changeStreamPreAndPostImages: {enabled: true}}): %w`, err)
		}
	}
	b.mu.Lock()
	b.epoch = epoch
	b.mu.Unlock()
	return b.ensureIndexes(ctx, b.docs, documentIndexes...)
}

// errNoDocuments means that app_data does not exist.
var errNoDocuments = errors.New("the collection app_data is not there")

// examineDocuments reads the epoch of app_data and whether it has images.
func (b *Backend) examineDocuments(ctx context.Context) (epoch epoch, imaged bool, err error) {
	found, err := b.database.ListCollections(ctx, bson.D{{Key: "name", Value: b.docs.Name()}})
	if err != nil {
		return epoch, false, err
	}
	var all []struct {
		Type    string
		Options struct {
			Images struct{ Enabled bool } `bson:"changeStreamPreAndPostImages"`
		}
		Info struct{ UUID bson.Binary }
	}
	if err := found.All(ctx, &all); err != nil {
		return epoch, false, err
	}
	if len(all) != 1 {
		return epoch, false, errNoDocuments
	}
	if all[0].Type != "collection" {
		return epoch, false, unusable(fmt.Sprintf("app_data is a %s, not a collection: "+
			"give the collection its name back, or name another database", all[0].Type))
	}
	sum := sha256.Sum256(all[0].Info.UUID.Data)
	copy(epoch[:], sum[:])
	return epoch, all[0].Options.Images.Enabled, nil
}

// currentEpoch is the epoch of app_data as it was last examined.
func (b *Backend) currentEpoch() epoch {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.epoch
}
