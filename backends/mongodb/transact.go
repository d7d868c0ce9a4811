package mongodb

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/readconcern"
	"go.mongodb.org/mongo-driver/v2/mongo/writeconcern"

	"github.com/secondgate/secondgate/backends"
)

const (
	// groupTries is how often a group is tried that others get in the way of, before each of its calls is tried alone, as
	// long as there is time.
	groupTries = 12
	maxTries   = math.MaxInt
)

var snapshotTransaction = options.Transaction().SetReadConcern(readconcern.Snapshot()).SetWriteConcern(writeconcern.Majority())

// transact carries out calls in one transaction of the database, however often others get in its way. On an error none of
// them has an answer.
func (b *Backend) transact(ctx context.Context, calls []*call, tries int) (err error) {
	begun := time.Now()
	for try := 1; ; try++ {
		g := newGroup(b, calls)
		if err = g.run(ctx); err == nil {
			return g.finish(ctx)
		}
		if try == tries || !again(err) || ctx.Err() != nil {
			break
		}
		if time.Since(begun) > silence { // somebody may have gone and left a transaction open
			begun = time.Now()
			if err := b.endSilent(ctx); err != nil {
				b.options.Log.Warn("sessions of gateways that are gone could not be ended", "error", err)
			}
		}
		select {
		case <-ctx.Done():
		case <-time.After(rand.N(time.Duration(min(try, 5)) * 2 * time.Millisecond)):
		}
	}
	for _, c := range calls {
		clear(c.outs) // of what was decided and did not come about
	}
	return err
}

// again tells errors after which nothing has happened and looking again may help: others have changed, or made, what was
// read, or this server is no primary any more.
func again(err error) bool {
	return !errors.Is(err, errUnknown) && (hasLabel(err, transient) || hasCode(err, codeDuplicateKey) || mongo.IsDuplicateKeyError(err))
}

// run does the group's transaction.
func (g *group) run(ctx context.Context) error {
	session := g.backend.lease.session
	g.backend.worked.Store(true)
	if err := session.StartTransaction(snapshotTransaction); err != nil {
		return err
	}
	err := g.work(mongo.NewSessionContext(ctx, session))
	if err != nil || len(g.models) == 0 && len(g.memories) == 0 && len(g.entries) == 0 {
		g.abort(ctx, session)
		return err
	}
	if err := g.commit(ctx, session); err != nil {
		g.abort(ctx, session) // a commit that was never sent would keep the session from its next transaction
		return err
	}
	at, err := g.backend.committedAt(ctx, session)
	if err != nil {
		return errors.Join(errUnknown, err) // it has happened, but nobody can say when
	}
	g.answer(commit{g.life, at})
	return nil
}

// abort ends a transaction without effect. That it fails is no news: the server ends what it hears nothing of.
func (g *group) abort(ctx context.Context, session *mongo.Session) {
	ctx, cancel := goodbye(ctx)
	defer cancel()
	_ = session.AbortTransaction(ctx)
}

// commit asks until there is an answer: a commit may be asked for again. That nothing has happened only the server can say:
// the driver calls a connection transient that it could not have, also when it had asked on another one before.
func (g *group) commit(ctx context.Context, session *mongo.Session) error {
	for {
		err := session.CommitTransaction(ctx)
		away := err != nil && (isAway(err) || hasLabel(err, unknownCommit))
		if err == nil || !away && hasLabel(err, transient) {
			return err
		}
		if ctx.Err() != nil || !away {
			return errors.Join(errUnknown, err)
		}
		time.Sleep(rand.N(50 * time.Millisecond))
	}
}

// committedAt is the cluster time of what a session has just committed, or a later one. A server with users tells none in
// its first seconds, before it has made the keys that it signs times with.
func (b *Backend) committedAt(ctx context.Context, session *mongo.Session) (bson.Timestamp, error) {
	if at := session.OperationTime(); at != nil {
		return *at, nil
	}
	h, err := b.head(ctx, nil)
	return h.at, err
}

// answer gives each transaction of the group the commit's time.
func (g *group) answer(at commit) {
	for _, d := range g.decided {
		for i := range d.out.Changes {
			d.out.Changes[i].Commit = at
		}
	}
}

// decided is one transaction of the gateway and its answer.
type decided struct {
	tx     *backends.Tx
	out    *backends.Outcome
	memory *backends.Memory
}
