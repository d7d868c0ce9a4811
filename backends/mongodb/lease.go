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

// A gateway that is killed inside a transaction leaves the transaction open. The server ends it
// after a minute; until then, writes of the same documents and replays of the same mutation fail.
//
// So each gateway keeps a lease in the database: the session of its worker, with heartbeats while
// it has transactions. A gateway that cannot commit for long ends the sessions whose leases have
// expired. A gateway that starts also ends the sessions of dead processes of its own machine. If it
// ends the session of a live gateway, that gateway only tries its transaction again.

const (
	heartbeat = time.Second
	leaseTime = 2500 * time.Millisecond
)

// lease is the session of the worker, and the id of its document in app_data_meta.
type lease struct {
	id      string
	session *mongo.Session
}

// openLease starts the worker's session and stores the lease. It ends sessions that have expired.
func (b *Backend) openLease(ctx context.Context) error {
	session, err := b.client.StartSession()
	if err != nil {
		return err
	}
	b.lease = &lease{"session:" + rand.Text(), session}
	return errors.Join(b.renewLease(ctx), b.endExpired(ctx))
}

func hostname() string {
	name, _ := os.Hostname() // without a name, no process is taken for one of this machine
	return name
}

// dead reports whether a process of this machine has ended. One that had our own number ended before we
// began.
func dead(host string, pid int) bool {
	return host != "" && host == hostname() && (pid == os.Getpid() || !alive(pid))
}

// renewLease stores the lease with the server's time.
func (b *Backend) renewLease(ctx context.Context) error {
	_, err := b.database.Collection(metaName).UpdateOne(ctx, bson.D{{Key: "_id", Value: b.lease.id}}, bson.D{
		{Key: "$set", Value: bson.D{
			{Key: "session", Value: b.lease.session.ID()}, {Key: "host", Value: hostname()},
			{Key: "pid", Value: os.Getpid()},
		}},
		{Key: "$currentDate", Value: bson.D{{Key: "at", Value: true}}},
	}, options.UpdateOne().SetUpsert(true))
	return err
}

// keepAlive renews the lease while there are transactions.
func (b *Backend) keepAlive() {
	ticker := time.NewTicker(heartbeat)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			if b.worked.Swap(false) {
				ctx, cancel := context.WithTimeout(b.life.Context(), leaseTime)
				_ = b.renewLease(ctx) // if it fails, another gateway may end the session
				cancel()
			}
		case <-b.life.Context().Done():
			return
		}
	}
}

// closeLease removes the lease and ends the session.
func (b *Backend) closeLease(ctx context.Context) {
	if b.lease == nil {
		return
	}
	// A lease that is left behind expires.
	_, _ = b.database.Collection(metaName).DeleteOne(ctx, bson.D{{Key: "_id", Value: b.lease.id}})
	_, _ = b.docs.DeleteOne(ctx, bson.D{{Key: "_id", Value: authorsPrefix + b.lease.id}})
	b.lease.session.EndSession(ctx)
}

// endExpired ends the sessions of gateways whose lease has expired or whose process has ended.
func (b *Backend) endExpired(ctx context.Context) error {
	limit := bson.D{{Key: "$subtract", Value: bson.A{"$$NOW", leaseTime.Milliseconds()}}}
	found, err := b.database.Collection(metaName).Find(ctx, bson.D{
		{Key: "session", Value: bson.D{{Key: "$exists", Value: true}}},
		{Key: "_id", Value: bson.D{{Key: "$ne", Value: b.lease.id}}},
	}, options.Find().SetProjection(bson.D{
		{Key: "session", Value: 1}, {Key: "host", Value: 1}, {Key: "pid", Value: 1},
		{Key: "expired", Value: bson.D{{Key: "$lt", Value: bson.A{"$at", limit}}}},
	}))
	if err != nil {
		return err
	}
	var others []struct {
		ID      string `bson:"_id"`
		Session bson.Raw
		Expired bool
		Host    string
		PID     int
	}
	if err := found.All(ctx, &others); err != nil {
		return err
	}
	for _, s := range others {
		if !s.Expired && !dead(s.Host, s.PID) {
			continue
		}
		kill := bson.D{{Key: "killSessions", Value: bson.A{s.Session}}}
		if err := b.database.RunCommand(ctx, kill).Err(); err != nil {
			return err
		}
		if _, err := b.database.Collection(metaName).DeleteOne(ctx, bson.D{{Key: "_id", Value: s.ID}}); err != nil {
			return err
		}
	}
	return nil
}
