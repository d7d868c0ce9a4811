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
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/readconcern"
	"go.mongodb.org/mongo-driver/v2/mongo/writeconcern"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/protocol"
)

const (
	applicationName = "secondgate"
	// selectionTime bounds the wait for a primary, dialTime one attempt to connect; the latter is also how long a silent
	// server is waited for, past a heartbeat's 10 s.
	selectionTime = 3 * time.Second
	dialTime      = 5 * time.Second
	// closeTime bounds the goodbye to a server that says nothing.
	closeTime = 2 * time.Second
	// defaultRetention is that of Options.
	defaultRetention = 24 * time.Hour
)

// Options of Open.
type Options struct {
	// URL is mongodb://… or mongodb+srv://…, its path the database.
	URL string
	// Retention is how long cursors are good; 24 h by default. The oplog may end sooner.
	Retention time.Duration
	Log       *slog.Logger
	// Withheld, if set, is called for each document that an outsider wrote and the JSON rules refuse, about once.
	Withheld func(protocol.Ref)
	// Committed, if set, is called for each commit: how many requests it had, and how many wait for the next.
	Committed func(requests, waiting int)
}

// Backend is one open database.
type Backend struct {
	options  Options
	client   *mongo.Client
	database *mongo.Database
	docs     *mongo.Collection
	withheld *backends.Withheld

	ctx     context.Context
	cancel  context.CancelFunc
	running sync.WaitGroup
	calls   chan *call
	waiting atomic.Int64 // calls of Write that wait for a lane
	fields  *fields
	lease   *lease
	worked  atomic.Bool // the lane has, since the last sign of life

	mu     sync.Mutex
	closed bool
	life   epoch // of the collection as it was last looked at
	log    logged

	heads   backends.Shared[head]
	looking chan struct{} // held by who looks how far back the server's log goes
}

var _ backends.Backend = (*Backend)(nil)

// Open connects and prepares the collections. It fails with a sentence that says what to do: on a server that is no
// replica set, is too old, or refuses the role a right.
func Open(ctx context.Context, o Options) (*Backend, error) {
	o.complete()
	name, err := databaseOf(o.URL)
	if err != nil {
		return nil, err
	}
	client, err := mongo.Connect(clientOptions(o.URL))
	if err != nil {
		return nil, errors.New("the MongoDB URL cannot be used: look at its hosts and parameters")
	}
	b := &Backend{
		options: o, client: client, database: client.Database(name),
		withheld: &backends.Withheld{Log: o.Log, Report: o.Withheld}, calls: make(chan *call, maxCalls), fields: newFields(),
		looking: make(chan struct{}, 1),
	}
	b.docs = b.database.Collection("app_data")
	b.heads.Enter, b.heads.Load = b.enter, func(ctx context.Context) (head, error) { return b.head(ctx, nil) }
	b.ctx, b.cancel = context.WithCancel(context.Background())
	if err := b.prepare(ctx); err != nil {
		return nil, errors.Join(refused(closer(ctx, o.URL, err)), b.Close())
	}
	b.running.Go(b.lane)
	b.running.Go(b.keepAlive)
	b.running.Go(func() { backends.KeepHouse(b.ctx, b.options.Log, b.clean) })
	return b, nil
}

func (o *Options) complete() {
	if o.Retention <= 0 {
		o.Retention = defaultRetention
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.Committed == nil {
		o.Committed = func(int, int) {}
	}
}

func clientOptions(address string) *options.ClientOptions {
	o := options.Client().SetAppName(applicationName).SetServerSelectionTimeout(selectionTime).SetConnectTimeout(dialTime)
	o.ApplyURI(address) // which may say otherwise
	return o.SetReadConcern(readconcern.Majority()).SetWriteConcern(writeconcern.Majority())
}

// databaseOf is the path of a URL, which may name many hosts. The error shows nothing of it: it may hold a password.
func databaseOf(address string) (string, error) {
	_, rest, _ := strings.Cut(address, "://")
	rest, _, _ = strings.Cut(rest, "?")
	_, path, _ := strings.Cut(rest, "/")
	name, err := url.PathUnescape(path)
	if err != nil || name == "" || strings.ContainsAny(name, `/\. "$`) {
		return "", errors.New("the MongoDB URL must name a database: write mongodb://HOST:PORT/DATABASE?replicaSet=NAME")
	}
	return name, nil
}

// prepare looks at the server, then at the collections.
func (b *Backend) prepare(ctx context.Context) error {
	if err := b.lookAt(ctx); err != nil {
		return err
	}
	if err := b.settleIn(ctx); err != nil {
		return err
	}
	return b.openLease(ctx)
}

// lookAt refuses servers that cannot be served from.
func (b *Backend) lookAt(ctx context.Context) error {
	h, err := greet(ctx, b.client)
	if err != nil {
		return err
	}
	return h.judge()
}

// refused says in one sentence why the database cannot be opened and what to do.
func refused(err error) error {
	var unfit unfit
	if errors.As(err, &unfit) {
		return unfit
	}
	if hasCode(err, codeUnauthorized, 18) {
		return fmt.Errorf("the MongoDB user is refused, or lacks a right: look at the URL, and grant what docs/operations.md lists: %w", err)
	}
	return fmt.Errorf("cannot open the MongoDB database: %w", err)
}

// Close implements [backends.Backend].
func (b *Backend) Close() error {
	b.mu.Lock()
	b.closed = true
	b.mu.Unlock()
	b.cancel()
	b.running.Wait()
	ctx, cancel := context.WithTimeout(context.Background(), closeTime)
	defer cancel()
	b.closeLease(ctx)
	if err := b.client.Disconnect(ctx); err != nil && !errors.Is(err, mongo.ErrClientDisconnected) && ctx.Err() == nil {
		return err
	}
	return nil
}

// enter begins a call that Close waits for; the caller ends it with leave. Its context ends with b.
func (b *Backend) enter(ctx context.Context) (inner context.Context, leave func(), err error) {
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return nil, nil, errClosed
	}
	b.running.Add(1)
	inner, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(b.ctx, cancel)
	return inner, func() { stop(); cancel(); b.running.Done() }, nil
}

// do runs f as a call that Close waits for.
func (b *Backend) do(ctx context.Context, doing string, f func(context.Context) error) error {
	inner, leave, err := b.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	return b.explain(ctx, doing, f(inner))
}

// explain is translate for calls that Close may have ended.
func (b *Backend) explain(ctx context.Context, doing string, err error) error {
	if err != nil && ctx.Err() == nil && b.ctx.Err() != nil {
		return errClosed
	}
	return translate(ctx, doing, err)
}
