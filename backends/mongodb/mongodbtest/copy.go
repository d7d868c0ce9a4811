package mongodbtest

import (
	"context"
	"errors"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// Copy is a database as mongodump writes it: every collection's options, indexes and documents.
type Copy []copied

type copied struct {
	name    string
	options bson.D
	indexes bson.A
	docs    []any
}

// ReadCopy reads a database, one collection after the other.
func ReadCopy(ctx context.Context, db *mongo.Database) (all Copy, err error) {
	found, err := db.ListCollectionSpecifications(ctx, bson.D{{Key: "type", Value: "collection"}})
	for i := 0; err == nil && i < len(found); i++ {
		var c copied
		if c, err = readCollection(ctx, db.Collection(found[i].Name)); err == nil && found[i].Options != nil {
			err = bson.Unmarshal(found[i].Options, &c.options)
		}
		all = append(all, c)
	}
	return all, err
}

func readCollection(ctx context.Context, from *mongo.Collection) (copied, error) {
	c := copied{name: from.Name()}
	indexes, err := from.Indexes().List(ctx)
	if err != nil {
		return c, err
	}
	if err = indexes.All(ctx, &c.indexes); err != nil {
		return c, err
	}
	docs, err := from.Find(ctx, bson.D{})
	if err != nil {
		return c, err
	}
	for docs.Next(ctx) {
		c.docs = append(c.docs, append(bson.Raw(nil), docs.Current...))
	}
	return c, docs.Err()
}

// Bytes are all documents, in their stored form.
func (all Copy) Bytes() (text []byte) {
	for _, c := range all {
		for _, d := range c.docs {
			text = append(text, d.(bson.Raw)...)
		}
	}
	return text
}

// Restore drops each collection and fills it again, as mongorestore --drop does. What others write
// meanwhile stays.
func (all Copy) Restore(ctx context.Context, db *mongo.Database) error {
	for _, c := range all {
		if err := c.restore(ctx, db); err != nil {
			return err
		}
	}
	return nil
}

func (c copied) restore(ctx context.Context, db *mongo.Database) error {
	if err := c.create(ctx, db); err != nil {
		return err
	}
	indexes := bson.D{{Key: "createIndexes", Value: c.name}, {Key: "indexes", Value: c.indexes}}
	err := db.RunCommand(ctx, indexes).Err()
	if err == nil && len(c.docs) > 0 {
		_, err = db.Collection(c.name).InsertMany(ctx, c.docs, options.InsertMany().SetOrdered(false))
	}
	if mongo.IsDuplicateKeyError(err) {
		return nil
	}
	return err
}

// create makes the collection anew. A write that comes between drop and create makes it too.
func (c copied) create(ctx context.Context, db *mongo.Database) error {
	const exists = 48 // NamespaceExists
	command := append(bson.D{{Key: "create", Value: c.name}}, c.options...)
	for {
		err := db.Collection(c.name).Drop(ctx)
		if err == nil {
			err = db.RunCommand(ctx, command).Err()
		}
		if refused := (mongo.CommandError{}); !errors.As(err, &refused) || refused.Code != exists {
			return err
		}
	}
}
