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

// What the gateway keeps beside app_data.
const (
	mutationsName = "app_data_mutations" // memory of mutations, by their key
	locksName     = "app_data_locks"     // one document per collection that is upserted into by filter
	ledgerName    = "app_data_ledger"
	metaName      = "app_data_meta" // the floor of the history
)

// mutationTime is how long a mutation is remembered: a day, and what the server's cleaning may be late or early.
const mutationTime = 25 * time.Hour

var images = bson.D{{Key: "changeStreamPreAndPostImages", Value: bson.D{{Key: "enabled", Value: true}}}}

// documentIndexes are those that deployments have already: lists, and looking documents up.
var documentIndexes = []mongo.IndexModel{
	{Keys: bson.D{{Key: "workspaceId", Value: 1}, {Key: "appId", Value: 1}, {Key: "collection", Value: 1}, {Key: "updatedAt", Value: -1}}},
	{Keys: bson.D{{Key: "workspaceId", Value: 1}, {Key: "appId", Value: 1}, {Key: "collection", Value: 1}, {Key: "_id", Value: 1}}},
}

// settleIn makes what is missing: the collections, their indexes, the images. It learns the epoch.
//
// It looks first. Making what is there already would do nothing, but wait for every transaction that is open on the
// collection, such as one that a gateway which was killed has left behind.
func (b *Backend) settleIn(ctx context.Context) error {
	there, err := b.database.ListCollectionNames(ctx, bson.D{})
	if err != nil {
		return err
	}
	for _, name := range []string{mutationsName, locksName, ledgerName, metaName} { // a transaction on a busy server had better find them
		if slices.Contains(there, name) {
			continue
		}
		if err := b.create(ctx, name, nil); err != nil {
			return err
		}
	}
	if err := b.ensureDocuments(ctx); err != nil {
		return err
	}
	err = b.ensureIndexes(ctx, b.database.Collection(mutationsName), mongo.IndexModel{
		Keys: bson.D{{Key: "at", Value: 1}}, Options: options.Index().SetExpireAfterSeconds(int32(mutationTime.Seconds())),
	})
	return errors.Join(err, b.ensureIndexes(ctx, b.ledger(),
		mongo.IndexModel{Keys: bson.D{{Key: "kind", Value: 1}, {Key: "key", Value: 1}}, Options: options.Index().SetUnique(true)},
		mongo.IndexModel{Keys: bson.D{{Key: "expires", Value: 1}}, Options: options.Index().SetExpireAfterSeconds(0)},
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
		time.Sleep(10 * time.Millisecond) // the database is being dropped by somebody
	}
}

// ensureIndexes makes those that are missing, by their keys.
func (b *Backend) ensureIndexes(ctx context.Context, collection *mongo.Collection, wanted ...mongo.IndexModel) error {
	there, err := collection.Indexes().ListSpecifications(ctx)
	if err != nil {
		return err
	}
	var missing []mongo.IndexModel
	for _, w := range wanted {
		keys, err := bson.Marshal(w.Keys)
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(there, func(s mongo.IndexSpecification) bool { return sameKeys(s.KeysDocument, keys) }) {
			missing = append(missing, w)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	_, err = collection.Indexes().CreateMany(ctx, missing)
	return err
}

// ensureDocuments sees to it that app_data is there with its indexes and its images: also after a stranger has dropped it
// and another one made it again by inserting.
func (b *Backend) ensureDocuments(ctx context.Context) error {
	life, imaged, err := b.lookAtDocuments(ctx)
	if errors.Is(err, errNoDocuments) {
		if err = b.create(ctx, b.docs.Name(), images); err == nil {
			life, imaged, err = b.lookAtDocuments(ctx)
		}
	}
	if err != nil {
		return err
	}
	if !imaged {
		if err := b.database.RunCommand(ctx, append(bson.D{{Key: "collMod", Value: b.docs.Name()}}, images...)).Err(); err != nil {
			return fmt.Errorf("pre- and post-images are off, and the gateway cannot switch them on: an administrator must run "+
				`db.runCommand({collMod: "app_data", changeStreamPreAndPostImages: {enabled: true}}): %w`, err)
		}
	}
	b.mu.Lock()
	b.life = life
	b.mu.Unlock()
	return b.ensureIndexes(ctx, b.docs, documentIndexes...)
}

// errNoDocuments: app_data is not there.
var errNoDocuments = errors.New("the collection app_data is not there")

// lookAtDocuments reads what names the collection's life, and whether it has images.
func (b *Backend) lookAtDocuments(ctx context.Context) (life epoch, imaged bool, err error) {
	found, err := b.database.ListCollections(ctx, bson.D{{Key: "name", Value: b.docs.Name()}})
	if err != nil {
		return life, false, err
	}
	var all []struct {
		Options struct {
			Images struct{ Enabled bool } `bson:"changeStreamPreAndPostImages"`
		}
		Info struct{ UUID bson.Binary }
	}
	if err := found.All(ctx, &all); err != nil {
		return life, false, err
	}
	if len(all) != 1 {
		return life, false, errNoDocuments
	}
	sum := sha256.Sum256(all[0].Info.UUID.Data)
	copy(life[:], sum[:])
	return life, all[0].Options.Images.Enabled, nil
}

func (b *Backend) epoch() epoch {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.life
}
