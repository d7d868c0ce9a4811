package mongodb

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/readconcern"

	"github.com/secondgate/secondgate/backends"
)

const (
	// groupPatience is how long a group is tried again that conflicts with other transactions. Then
	// each of its calls is tried by itself, until onePatience is over, and once in any case. A call that
	// still conflicts waits aside: see [Backend.stepAside].
	groupPatience = 50 * time.Millisecond
	onePatience   = 150 * time.Millisecond
)

var transactionOptions = options.Transaction().
	SetReadConcern(readconcern.Snapshot()).SetWriteConcern(journaled())

// transact carries out calls in one transaction of the database, again and again until a time while
// it conflicts with others. On an error no call has an answer.
func (b *Backend) transact(ctx context.Context, calls []*call, until time.Time) (err error) {
	for try := 1; ; try++ {
		g := newGroup(b, calls)
		if err = g.run(ctx); err == nil {
			return g.finish(ctx)
		}
		if time.Now().After(until) || !retryable(err) || ctx.Err() != nil {
			break
		}
		select {
		case <-ctx.Done():
		case <-time.After(rand.N(time.Duration(min(try, 5)) * 2 * time.Millisecond)):
		}
	}
	for _, c := range calls {
		clear(c.outs) // the last try has decided some, but stored nothing
	}
	return err
}

// run carries out the group's transaction.
func (g *group) run(ctx context.Context) error {
	session := g.backend.lease.session
	g.backend.worked.Store(true)
	if err := session.StartTransaction(transactionOptions); err != nil {
		return err
	}
	err := g.work(mongo.NewSessionContext(ctx, session))
	if err != nil || g.empty() {
		g.abort(ctx, session)
		return err
	}
	if err := g.commit(ctx, session); err != nil {
		g.abort(ctx, session) // otherwise a commit that was never sent would block the session
		return err
	}
	at, err := g.backend.committedAt(ctx, session)
	if err != nil {
		return errors.Join(errUnknown, err) // it has happened, but at an unknown time
	}
	g.markCommit(commit{g.epoch, at})
	return nil
}

// abort ends a transaction without effect. If it fails, the server ends the transaction after a
// while.
func (g *group) abort(ctx context.Context, session *mongo.Session) {
	ctx, cancel := shutdownContext(ctx)
	defer cancel()
	_ = session.AbortTransaction(ctx)
}

// commit tries to commit until the server answers. Only the server can say that nothing has
// happened: the driver calls the error of a missing connection transient, even after it has sent
// the commit on another one.
func (g *group) commit(ctx context.Context, session *mongo.Session) error {
	for {
		err := session.CommitTransaction(ctx)
		away := err != nil && (isAway(err) || hasLabel(err, labelUnknownCommit))
		if err == nil || !away && hasLabel(err, labelTransient) {
			return err
		}
		if ctx.Err() != nil || !away {
			return errors.Join(errUnknown, err)
		}
		time.Sleep(rand.N(50 * time.Millisecond))
	}
}

// committedAt is the cluster time of a session's last commit, or a later one. A server with access
// control tells no time in its first seconds, before it has the keys to sign times with.
func (b *Backend) committedAt(ctx context.Context, session *mongo.Session) (bson.Timestamp, error) {
	if at := session.OperationTime(); at != nil {
		return *at, nil
	}
	h, err := b.head(ctx, nil)
	return h.at, err
}

// markCommit marks the changes of all transactions with their commit.
func (g *group) markCommit(at commit) {
	for _, tx := range g.all {
		for i := range tx.out.Changes {
			tx.out.Changes[i].Commit = at
		}
	}
}

// finish answers what the commit has not answered.
func (g *group) finish(ctx context.Context) error {
	if g.empty() {
		g.markEmpty(ctx)
	}
	for _, tx := range g.replays {
		*tx.out = g.backend.replay(ctx, tx)
	}
	return nil
}

// markEmpty marks the changes of a group that has stored nothing, for example because a document
// was made and deleted again. Nothing was committed, so they are marked with the time of a
// snapshot: otherwise a caller that waits for a cursor that covers them would wait for ever.
func (g *group) markEmpty(ctx context.Context) {
	var changed []*groupTx
	for _, tx := range g.all {
		if len(tx.out.Changes) > 0 {
			changed = append(changed, tx)
		}
	}
	if len(changed) == 0 {
		return
	}
	h, err := g.backend.head(ctx, nil)
	for _, tx := range changed {
		if err != nil {
			*tx.out = backends.Outcome{Err: err}
		}
		for i := range tx.out.Changes {
			tx.out.Changes[i].Commit = commit(h.cursor)
		}
	}
}
