package mongodb

import (
	"context"
	"crypto/rand"
	"errors"
	"os"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// A gateway that is killed in the middle of a transaction leaves it open: the server ends it after a minute, and whoever
// wants to write the same documents, or to repeat the same mutation, fails until then. So the lane's one session is noted
// in the database, with a sign of life as long as transactions go on. Who is held up for long ends the sessions of those
// that give none, and who starts those of processes of this machine that run no more. Ending one that lives does no harm
// but that its transaction is tried again.

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
	return errors.Join(b.beat(ctx), b.endSilent(ctx))
}

func hostname() string {
	name, _ := os.Hostname() // without one, nobody is found to be of this machine
	return name
}

// gone tells that a process of this machine runs no more. One of our own number was here before us.
func gone(host string, pid int) bool {
	return host != "" && host == hostname() && (pid == os.Getpid() || !runs(pid))
}

// beat gives the sign of life, by the server's clock.
func (b *Backend) beat(ctx context.Context) error {
	_, err := b.database.Collection(metaName).UpdateOne(ctx, bson.D{{Key: "_id", Value: b.lease.id}}, bson.D{
		{Key: "$set", Value: bson.D{{Key: "session", Value: b.lease.session.ID()}, {Key: "host", Value: hostname()}, {Key: "pid", Value: os.Getpid()}}},
		{Key: "$currentDate", Value: bson.D{{Key: "at", Value: true}}},
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

// endSilent ends the sessions of gateways that are gone, or have given no sign of life for a while.
func (b *Backend) endSilent(ctx context.Context) error {
	limit := bson.D{{Key: "$subtract", Value: bson.A{"$$NOW", silence.Milliseconds()}}}
	found, err := b.database.Collection(metaName).Find(ctx, bson.D{
		{Key: "session", Value: bson.D{{Key: "$exists", Value: true}}}, {Key: "_id", Value: bson.D{{Key: "$ne", Value: b.lease.id}}},
	}, options.Find().SetProjection(bson.D{
		{Key: "session", Value: 1}, {Key: "host", Value: 1}, {Key: "pid", Value: 1},
		{Key: "silent", Value: bson.D{{Key: "$lt", Value: bson.A{"$at", limit}}}},
	}))
	if err != nil {
		return err
	}
	var others []struct {
		ID      string `bson:"_id"`
		Session bson.Raw
		Silent  bool
		Host    string
		PID     int
	}
	if err := found.All(ctx, &others); err != nil {
		return err
	}
	for _, s := range others {
		if !s.Silent && !gone(s.Host, s.PID) {
			continue
		}
		if err := b.database.RunCommand(ctx, bson.D{{Key: "killSessions", Value: bson.A{s.Session}}}).Err(); err != nil {
			return err
		}
		if _, err := b.database.Collection(metaName).DeleteOne(ctx, bson.D{{Key: "_id", Value: s.ID}}); err != nil {
			return err
		}
	}
	return nil
}
