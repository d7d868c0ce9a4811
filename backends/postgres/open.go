package postgres

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/backends/driverkit"
	"github.com/secondgate/secondgate/protocol"
)

// applicationName is what the server's own views call our sessions.
const applicationName = "secondgate"

const (
	// dialTime bounds one attempt to connect.
	dialTime = 5 * time.Second
	// closeTime is how long Close lets the pool say goodbye to the server.
	closeTime = time.Second
	// abandonedMillis is how long, in milliseconds, the server waits for a transaction of ours that
	// sends nothing. Then our process is gone, and its locks hinder others.
	abandonedMillis = "5000"
	// defaultConns is the size of the pool unless the URL says pool_max_conns. Commits that happen
	// at once share flushes of the server's log, so more connections cost less per commit.
	defaultConns = 32
)

// Options of Open.
type Options struct {
	// URL is postgres://…, with the parameters of libpq and of pgxpool, and schema=NAME (default
	// public).
	URL string
	// Direct is the URL of the same database without a pooler in between, for LISTEN (default URL).
	Direct string
	// Retention is how long cursors can be resumed (default 24 h).
	Retention time.Duration
	// Poll is how often feeds look for changes without a notification (default 1 s). Without LISTEN
	// they look every 150 ms.
	Poll time.Duration
	// Log gets what an operator should know (default slog.Default).
	Log *slog.Logger
	// Withheld, if set, is called about once for each document that another program wrote and that
	// the JSON rules refuse.
	Withheld func(protocol.Ref)
	// Committed, if set, is called after each commit with the number of requests in it and the
	// number of requests that wait for a worker or a connection.
	Committed func(requests, waiting int)
}

// Backend is one open database.
type Backend struct {
	options  Options
	schema   string // quoted
	pool     *pgxpool.Pool
	direct   *pgx.ConnConfig
	pooled   bool // a pooler is in between, so nothing of a session lasts
	conns    trackedConns
	withheld *driverkit.Withheld
	life     *driverkit.Lifetime
	feeds    driverkit.Feeds[*feed]
	heads    driverkit.SharedRead[head]

	// Writes.
	inserts   *queue
	upserts   *queue
	common    commonValues
	searching chan struct{} // held during a search of a collection
	acquiring atomic.Int64  // calls of Write that wait for a connection
	patient   chan struct{} // has a token for each write that waits for a lock that is held for long
	texts     sync.Map      // SQL with the schema's name in it, by SQL without it

	// Notifications.
	channel   atomic.Pointer[string] // its name; another one after app_data was made anew
	self      string                 // the payload of our own announcements: feeds know of these commits
	announce  chan struct{}
	listening atomic.Bool // notifications arrive

	epochLock chan struct{} // held while a new epoch is begun
	unguarded atomic.Bool   // tests see what the guard would hide
}

var _ backends.Backend = (*Backend)(nil)

// Open connects, brings the schema up to date and begins to listen. It fails on a server that is
// too old or a standby, and on tables of a newer version or of another program; the error says what
// to do.
func Open(ctx context.Context, options Options) (*Backend, error) {
	options.complete()
	pooling, schema, err := parseURL(options.URL)
	if err != nil {
		return nil, err
	}
	direct, _, err := parseURL(options.Direct)
	if err != nil {
		return nil, err
	}
	b := &Backend{
		options: options, schema: schema, direct: direct.ConnConfig, life: driverkit.NewLifetime(),
		withheld: &driverkit.Withheld{Log: options.Log, Report: options.Withheld},
		announce: make(chan struct{}, 1), epochLock: make(chan struct{}, 1),
		self:    strconv.FormatUint(rand.Uint64(), 36),
		inserts: newQueue(), upserts: newQueue(), searching: make(chan struct{}, maxSearching),
	}
	b.heads.Enter, b.heads.Load = b.life.EnterContext, b.newHead
	pooling.ConnConfig.DialFunc, direct.ConnConfig.DialFunc = b.conns.dial, b.conns.dial
	if err := b.prepare(ctx, pooling); err != nil {
		return nil, errors.Join(refused(err), b.Close())
	}
	b.work(b.inserts, b.insertGroup)
	b.work(b.upserts, b.upsertGroup)
	b.life.Go(b.listen)
	b.life.Go(b.announceCommits)
	guard := driverkit.Guard{Life: b.life, Log: options.Log, Look: b.look}
	b.life.Go(guard.Run)
	b.life.Go(func() { driverkit.RunMaintenance(b.life.Context(), b.options.Log, b.clean) })
	return b, nil
}

func (o *Options) complete() {
	driverkit.Complete(&o.Retention, &o.Log, &o.Committed)
	if o.Direct == "" {
		o.Direct = o.URL
	}
	if o.Poll <= 0 {
		o.Poll = time.Second
	}
}

// parseURL reads a URL. Its parameter schema is ours, the others are the pool's. The error does not
// contain the URL, which may hold a password.
func parseURL(text string) (config *pgxpool.Config, schema string, err error) {
	u, err := url.Parse(text)
	if err != nil {
		return nil, "", errors.New("the PostgreSQL URL cannot be read: " +
			"write postgres://USER@HOST:PORT/DATABASE, its parts percent-encoded")
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil { // u.Query would drop the parameter
		return nil, "", errors.New("the parameters of the PostgreSQL URL cannot be read: " +
			"separate them by &, and percent-encode their values, ; as %3B")
	}
	if err := contradiction(query); err != nil {
		return nil, "", err
	}
	schema = query.Get("schema")
	if schema == "" {
		schema = "public"
	}
	limited := query.Has("pool_max_conns")
	query.Del("schema")
	u.RawQuery = strings.ReplaceAll(query.Encode(), "+", "%20") // pgx takes + for itself
	config, err = pgxpool.ParseConfig(u.String())
	if err != nil {
		return nil, "", errors.New("the PostgreSQL URL cannot be used: look at its host, port and parameters")
	}
	if !limited {
		config.MaxConns = defaultConns
	}
	c := config.ConnConfig
	c.ConnectTimeout = dialTime
	c.RuntimeParams["application_name"] = applicationName
	setSession(c, 0, nil)
	config.HealthCheckPeriod, config.MaxConnIdleTime = 5*time.Second, 5*time.Minute
	return config, pgx.Identifier{schema}.Sanitize(), nil
}

// prepare examines the server, opens the pool and brings the schema up to date.
func (b *Backend) prepare(ctx context.Context, config *pgxpool.Config) error {
	conn, err := pgx.ConnectConfig(ctx, config.ConnConfig)
	if err != nil {
		return err
	}
	found, err := examineServer(ctx, conn)
	if err = errors.Join(err, conn.Close(ctx)); err != nil {
		return err
	}
	b.configure(config, found)
	b.patient = make(chan struct{}, max(1, config.MaxConns/2))
	config.ShouldPing = b.testIdle
	if b.pool, err = pgxpool.NewWithConfig(ctx, config); err != nil {
		return err
	}
	if err := b.migrate(ctx); err != nil {
		return err
	}
	if damage, err := b.damage(ctx); err != nil || damage != nil {
		return errors.Join(err, damage)
	}
	return errors.Join(b.identify(ctx), b.ensureEpoch(ctx))
}

// identify reads the name of the database's notification channel.
func (b *Backend) identify(ctx context.Context) error {
	const sql = "SELECT 'secondgate_' || '@.app_data'::regclass::oid"
	var name string
	err := b.pool.QueryRow(ctx, b.sql(sql)).Scan(&name)
	if err == nil {
		b.channel.Store(&name)
	}
	return err
}

// refused says in one sentence why the database cannot be opened and what to do.
func refused(err error) error {
	switch err = withoutConfig(err); {
	case err == nil:
		return nil
	case isState(err, "28P01", "28000"):
		return fmt.Errorf("PostgreSQL refuses the user or its password: "+
			"look at the URL, and at pg_hba.conf: %w", err)
	case isState(err, "3D000"):
		return fmt.Errorf("the database does not exist: make it with createdb: %w", err)
	case isState(err, "42501"):
		return fmt.Errorf("the role lacks a right: grant it what docs/operations.md lists: %w", err)
	}
	return fmt.Errorf("cannot open the PostgreSQL database: %w", err)
}

// sql replaces @ by the name of the schema, once for each text.
func (b *Backend) sql(text string) string {
	if named, ok := b.texts.Load(text); ok {
		return named.(string)
	}
	named := strings.ReplaceAll(text, "@.", b.schema+".")
	b.texts.Store(text, named)
	return named
}

// Close implements [backends.Backend].
func (b *Backend) Close() error {
	b.life.Close()
	defer time.AfterFunc(closeTime, b.conns.closeAll).Stop()
	if b.pool != nil {
		b.pool.Close()
	}
	return nil
}
