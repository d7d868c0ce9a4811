package mongodb

import (
	"context"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/secondgate/secondgate/protocol"
)

var errCollectionsChanged = protocol.Errorf(protocol.CodeUnavailable,
	"the database's collections were changed, and the gateway cannot make them right: "+
		"the operator must do what secondgate check says")

// look is [driverkit.Guard]'s. It makes collections, indexes and images again that somebody has
// removed, and refuses calls only while it cannot. Feeds see by themselves which changes they lack:
// those have no image.
func (b *Backend) look(ctx context.Context, standing error) (reason, detail error) {
	ctx, cancel := context.WithTimeout(ctx, dialTime)
	defer cancel()
	whole, err := b.whole(ctx)
	switch {
	case err != nil:
		return standing, nil // those who read the database find what is wrong with it
	case whole && standing == nil:
		return nil, nil
	case whole:
		return b.confirm(ctx, standing), nil
	}
	b.options.Log.Warn("collections, indexes or images of the database are missing, and are made again")
	switch err := b.ensureCollections(ctx); {
	case err == nil:
		return nil, nil
	case isAway(err):
		return standing, nil
	default:
		return errCollectionsChanged, err
	}
}

// confirm lifts a standing reason once the ledger's index is there. MongoDB lists one that somebody
// only tries to build; making it waits for that, and fails if it fails.
func (b *Backend) confirm(ctx context.Context, standing error) (reason error) {
	_, err := b.ledger().Indexes().CreateOne(ctx, entryIndex())
	if err == nil || hasCode(err, codeIndexOptionsConflict) { // it is there under another name
		return nil
	}
	return standing
}

// whole reports whether everything is there without which changes or documents would be lost.
func (b *Backend) whole(ctx context.Context) (bool, error) {
	names := bson.A{b.docs.Name(), mutationsName, locksName, ledgerName, metaName, auditName}
	found, err := b.database.ListCollectionSpecifications(ctx,
		bson.D{{Key: "name", Value: bson.D{{Key: "$in", Value: names}}}})
	if err != nil {
		return false, err
	}
	for _, c := range found {
		imaged, _ := c.Options.Lookup("changeStreamPreAndPostImages", "enabled").BooleanOK()
		if c.Name == b.docs.Name() && !imaged {
			return false, nil
		}
	}
	if len(found) < len(names) {
		return false, nil
	}
	exist, err := b.ledger().Indexes().ListSpecifications(ctx)
	return hasIndex(exist, entryIndex()), err
}
