package mongodb

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/backends/driverkit"
	"github.com/secondgate/secondgate/protocol"
)

const (
	applicationName = "secondgate"
	// selectionTime bounds the wait for a primary.
	selectionTime = 3 * time.Second
	// dialTime bounds one attempt to connect, and the wait for a server that missed a heartbeat of
	// 10 s.
	dialTime = 5 * time.Second
	// closeTime bounds what is left to tell the server when a call or the backend ends.
	closeTime = 2 * time.Second
)

// Options of Open.
type Options struct {
	// URL is mongodb://… or mongodb+srv://…. Its path is the database.
	URL string
	// Retention is how long cursors can be resumed (default 24 h). The oplog may be shorter.
	Retention time.Duration
	// Log gets what an operator should know (default slog.Default).
	Log *slog.Logger
	// Withheld, if set, is called about once for each document that another program wrote and that
	// the JSON rules refuse.
	Withheld func(protocol.Ref)
	// Committed, if set, is called after each commit with the number of requests in it and the
	// number of calls of Write that wait.
	Committed func(requests, waiting int)
}

// Backend is one open database.
type Backend struct {
	options  Options
	client   *mongo.Client
	database *mongo.Database
	docs     *mongo.Collection
	withheld *driverkit.Withheld
	life     *driverkit.Lifetime
	heads    driverkit.SharedRead[head]

	// Writes.
	calls     *driverkit.Queue[*call]
	conflicts chan struct{} // has a token for each call that is carried out again: see stepAside
	aside     atomic.Int64  // calls that conflict with a transaction that stays open
	fields    *fields
	searching chan struct{} // held during a search of a collection
	lease     *lease
	worked    atomic.Bool // the worker has used the lease's session since the last heartbeat

	// History.
	windowLock chan struct{} // held while the server is asked how far back the oplog goes

	mu     sync.Mutex
	epoch  epoch // of the collection as it was last examined
	window oplogWindow
}

var _ backends.Backend = (*Backend)(nil)

// Open connects and makes the collections that are missing. It fails on a server that is no replica
// set, is too old or lacks a right; the error says what to do.
func Open(ctx context.Context, o Options) (*Backend, error) {
	driverkit.Complete(&o.Retention, &o.Log, &o.Committed)
	name, err := databaseOf(o.URL)
	if err != nil {
		return nil, err
	}
	connecting, err := clientOptions(o.URL)
	if err != nil {
		return nil, err
	}
	client, err := mongo.Connect(connecting)
	if err != nil {
		return nil, errURL
	}
	b := &Backend{
		options: o, client: client, database: client.Database(name), life: driverkit.NewLifetime(),
		withheld:  &driverkit.Withheld{Log: o.Log, Report: o.Withheld},
		calls:     driverkit.NewQueue[*call](maxCalls, maxGroup, maxGroupBytes),
		conflicts: make(chan struct{}, maxConflicted),
		fields:    newFields(), searching: make(chan struct{}, maxSearching), windowLock: make(chan struct{}, 1),
	}
	b.docs = b.database.Collection(documentsName)
	b.heads.Enter = b.life.EnterContext
	b.heads.Load = func(ctx context.Context) (head, error) { return b.head(ctx, nil) }
	if err := b.prepare(ctx); err != nil {
		return nil, errors.Join(refused(explainSelection(ctx, o.URL, err)), b.Close())
	}
	b.calls.Start(b.life, 1, b.runGroup)
	b.life.Go(b.keepAlive)
	guard := driverkit.Guard{Life: b.life, Log: o.Log, Look: b.look}
	b.life.Go(guard.Run)
	b.life.Go(func() { driverkit.RunMaintenance(b.life.Context(), b.options.Log, b.clean) })
	return b, nil
}

// databaseOf is the path of a URL. net/url cannot parse URLs of several hosts. The error does not
// contain the URL, which may hold a password.
func databaseOf(address string) (string, error) {
	_, rest, _ := strings.Cut(address, "://")
	rest, _, _ = strings.Cut(rest, "?")
	_, path, _ := strings.Cut(rest, "/")
	name, err := url.PathUnescape(path)
	if err != nil || name == "" || strings.ContainsAny(name, `/\. "$`) {
		return "", errors.New("the MongoDB URL must name a database: " +
			"write mongodb://HOST:PORT/DATABASE?replicaSet=NAME")
	}
	return name, nil
}

// prepare examines the server and makes the collections that are missing.
func (b *Backend) prepare(ctx context.Context) error {
	h, err := hello(ctx, b.client)
	if err != nil {
		return err
	}
	if err := h.usable(); err != nil {
		return err
	}
	if err := b.ensureCollections(ctx); err != nil {
		return err
	}
	return b.openLease(ctx)
}

// refused says in one sentence why the database cannot be opened and what to do.
func refused(err error) error {
	var unusable unusable
	if errors.As(err, &unusable) {
		return unusable
	}
	if hasCode(err, codeUnauthorized, codeAuthenticationFailed) {
		return fmt.Errorf("the MongoDB user is refused, or lacks a right: "+
			"look at the URL, and grant what docs/operations.md lists: %w", err)
	}
	return fmt.Errorf("cannot open the MongoDB database: %w", err)
}

// Close implements [backends.Backend].
func (b *Backend) Close() error {
	b.life.Close()
	ctx, cancel := context.WithTimeout(context.Background(), closeTime)
	defer cancel()
	b.closeLease(ctx)
	err := b.client.Disconnect(ctx)
	if err != nil && !errors.Is(err, mongo.ErrClientDisconnected) && ctx.Err() == nil {
		return err
	}
	return nil
}

// do runs f as a call that Close ends and waits for.
func (b *Backend) do(ctx context.Context, doing string, f func(context.Context) error) error {
	inner, leave, err := b.life.EnterContext(ctx)
	if err != nil {
		return err
	}
	defer leave()
	return b.translate(ctx, doing, f(inner))
}
