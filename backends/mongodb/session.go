package mongodb

import (
	"context"
	"crypto/rand"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// A gateway that is killed in the middle of a transaction leaves it open: the server ends it after a minute, and whoever
// wants to write the same documents, or to repeat the same mutation, fails until then. So the lane's one session is noted
// in the database, with a sign of life as long as transactions go on, and who is in somebody's way for long ends the
// sessions of those that give none. Ending one that lives does no harm but that its transaction is tried again.

const (
	beatEvery = time.Second
	silence   = 2500 * time.Millisecond
)

// lease is the lane's session as others find it.
type lease struct {
	id      string
	session *mongo.Session
}

// openLease starts the lane's session and notes it.
func (b *Backend) openLease(ctx context.Context) error {
	session, err := b.client.StartSession()
	if err != nil {
		return err
	}
	b.lease = &lease{"session:" + rand.Text(), session}
	return b.beat(ctx)
}

// beat gives the sign of life, by the server's clock.
func (b *Backend) beat(ctx context.Context) error {
	_, err := b.database.Collection(metaName).UpdateOne(ctx, bson.D{{Key: "_id", Value: b.lease.id}}, bson.D{
		{Key: "$set", Value: bson.D{{Key: "session", Value: b.lease.session.ID()}}}, {Key: "$currentDate", Value: bson.D{{Key: "at", Value: true}}},
	}, options.UpdateOne().SetUpsert(true))
	return err
}

// keepAlive beats while there are transactions.
func (b *Backend) keepAlive() {
	ticker := time.NewTicker(beatEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			if b.worked.Swap(false) {
				ctx, cancel := context.WithTimeout(b.ctx, silence)
				_ = b.beat(ctx) // else it is taken for gone, and tries its transaction again
				cancel()
			}
		case <-b.ctx.Done():
			return
		}
	}
}

// closeLease takes the note away.
func (b *Backend) closeLease(ctx context.Context) {
	if b.lease == nil {
		return
	}
	_, _ = b.database.Collection(metaName).DeleteOne(ctx, bson.D{{Key: "_id", Value: b.lease.id}}) // left behind, it is found silent
	b.lease.session.EndSession(ctx)
}

// endSilent ends the sessions of gateways that have given no sign of life for a while.
func (b *Backend) endSilent(ctx context.Context) error {
	limit := bson.D{{Key: "$subtract", Value: bson.A{"$$NOW", silence.Milliseconds()}}}
	found, err := b.database.Collection(metaName).Find(ctx, bson.D{
		{Key: "session", Value: bson.D{{Key: "$exists", Value: true}}}, {Key: "_id", Value: bson.D{{Key: "$ne", Value: b.lease.id}}},
		{Key: "$expr", Value: bson.D{{Key: "$lt", Value: bson.A{"$at", limit}}}},
	})
	if err != nil {
		return err
	}
	var silent []struct {
		ID      string `bson:"_id"`
		Session bson.Raw
	}
	if err := found.All(ctx, &silent); err != nil {
		return err
	}
	for _, s := range silent {
		if err := b.database.RunCommand(ctx, bson.D{{Key: "killSessions", Value: bson.A{s.Session}}}).Err(); err != nil {
			return err
		}
		if _, err := b.database.Collection(metaName).DeleteOne(ctx, bson.D{{Key: "_id", Value: s.ID}}); err != nil {
			return err
		}
	}
	return nil
}
