package postgres

import (
	"context"
	"crypto/sha256"
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
	"github.com/secondgate/secondgate/protocol"
)

// applicationName is what the server's own views call our sessions.
const applicationName = "secondgate"

const (
	// dialTime bounds one attempt to connect.
	dialTime = 5 * time.Second
	// abandonedMillis is after how long, in milliseconds, the server ends a transaction of ours that says nothing: we are
	// gone without a word, and its locks are in others' way.
	abandonedMillis = "5000"
	// defaultConns is how many connections a pool may have unless the URL says pool_max_conns. More that commit at once
	// share more of each flush.
	defaultConns = 32
)

// Options of Open.
type Options struct {
	// URL is postgres://…, with the parameters of libpq and of pgxpool, and schema=NAME (default public).
	URL string
	// Direct is the URL of the same database without a pooler in between, for LISTEN; by default URL.
	Direct string
	// Retention is how long changes are kept at least; 24 h by default.
	Retention time.Duration
	// Poll is how often the feed looks for changes that no notification has told of; 1 s by default, and 150 ms while
	// notifications are not heard.
	Poll time.Duration
	Log  *slog.Logger
	// Withheld, if set, is called for each document that an outsider wrote and the JSON rules refuse, about once.
	Withheld func(protocol.Ref)
	// Committed, if set, is called for each commit: how many requests it had, and how many wait
	// for a lane or a connection.
	Committed func(requests, waiting int)
}

// Backend is one open database.
type Backend struct {
	options  Options
	schema   string // quoted
	pool     *pgxpool.Pool
	direct   *pgx.ConnConfig
	pooled   bool // a pooler is in between: nothing of a session lasts
	lines    lines
	channel  string
	self     string // what our announcements say, so that we do not look for our own commits again
	withheld *backends.Withheld

	ctx      context.Context
	cancel   context.CancelFunc
	running  sync.WaitGroup
	announce chan struct{}
	inserts  *queue
	upserts  *queue
	sets     sync.Map     // sets of fields of upserts that are registered; see upsert_lock.go
	texts    sync.Map     // statements, by what they are before the schema's name is in them
	waiting  atomic.Int64 // calls of Write that wait for a lane or a connection
	heads    backends.Shared[head]

	mu        sync.Mutex
	closed    bool
	feeds     map[*feed]struct{}
	heard     bool          // notifications are
	beginning chan struct{} // held by the one that begins a new epoch
}

var _ backends.Backend = (*Backend)(nil)

// Open connects, brings the schema up to date and begins to listen. It fails with a sentence that says what to do: on a
// server that is too old or a standby, on tables of a newer version or another program.
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
		options: options, schema: schema, direct: direct.ConnConfig,
		withheld: &backends.Withheld{Log: options.Log, Report: options.Withheld},
		announce: make(chan struct{}, 1), feeds: map[*feed]struct{}{},
		beginning: make(chan struct{}, 1), self: strconv.FormatUint(rand.Uint64(), 36),
	}
	b.heads.Enter, b.heads.Load = b.enter, b.newHead
	b.inserts = &queue{make(chan *run, maxRuns), b.insertGroup}
	b.upserts = &queue{make(chan *run, maxRuns), b.upsertGroup}
	pooling.ConnConfig.DialFunc, direct.ConnConfig.DialFunc = b.lines.dial, b.lines.dial
	b.ctx, b.cancel = context.WithCancel(context.Background())
	if err := b.prepare(ctx, pooling); err != nil {
		return nil, errors.Join(refused(err), b.Close())
	}
	for range lanes {
		b.running.Go(func() { b.lane(b.inserts) })
		b.running.Go(func() { b.lane(b.upserts) })
	}
	b.running.Go(b.listen)
	b.running.Go(b.announceCommits)
	b.running.Go(func() { backends.KeepHouse(b.ctx, b.options.Log, b.clean) })
	return b, nil
}

func (o *Options) complete() {
	if o.Direct == "" {
		o.Direct = o.URL
	}
	if o.Retention <= 0 {
		o.Retention = 24 * time.Hour
	}
	if o.Poll <= 0 {
		o.Poll = time.Second
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.Committed == nil {
		o.Committed = func(int, int) {}
	}
}

// parseURL reads a URL, of which schema is ours. The error shows nothing of it: it may hold a password.
func parseURL(text string) (config *pgxpool.Config, schema string, err error) {
	u, err := url.Parse(text)
	if err != nil {
		return nil, "", errors.New("the PostgreSQL URL cannot be read: write postgres://USER@HOST:PORT/DATABASE, its parts percent-encoded")
	}
	query := u.Query()
	schema = query.Get("schema")
	if schema == "" {
		schema = "public"
	}
	limited := query.Has("pool_max_conns")
	query.Del("schema")
	u.RawQuery = query.Encode()
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
	config.HealthCheckPeriod, config.MaxConnIdleTime = 5*time.Second, 5*time.Minute
	return config, pgx.Identifier{schema}.Sanitize(), nil
}

// prepare looks at the server, opens the pool, then looks at the tables.
func (b *Backend) prepare(ctx context.Context, config *pgxpool.Config) error {
	conn, err := pgx.ConnectConfig(ctx, config.ConnConfig)
	if err != nil {
		return err
	}
	b.pooled, err = b.lookAt(ctx, conn)
	if err = errors.Join(err, conn.Close(ctx)); err != nil {
		return err
	}
	if b.pooled { // nothing of a session lasts, no prepared statements either
		config.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeExec
		b.options.Log.Info("there is a pooler between the gateway and PostgreSQL; statements are not prepared")
	} else {
		config.ConnConfig.RuntimeParams["idle_in_transaction_session_timeout"] = abandonedMillis
	}
	config.ShouldPing = b.tryIdle
	if b.pool, err = pgxpool.NewWithConfig(ctx, config); err != nil {
		return err
	}
	if err := b.migrate(ctx); err != nil {
		return err
	}
	if err := b.identify(ctx); err != nil {
		return err
	}
	return b.begin(ctx)
}

// lookAt refuses servers that cannot be served from. A pooler hands out process numbers of its own.
func (b *Backend) lookAt(ctx context.Context, conn *pgx.Conn) (pooled bool, err error) {
	var version, pid int
	var standby bool
	err = conn.QueryRow(ctx, "SELECT current_setting('server_version_num')::int, pg_is_in_recovery(), pg_backend_pid()", pgx.QueryExecModeExec).Scan(&version, &standby, &pid)
	switch {
	case err != nil:
		return false, err
	case version < 130000:
		return false, fmt.Errorf("PostgreSQL %d is too old: 13 or newer is needed", version/10000)
	case standby:
		return false, fmt.Errorf("%w: name the primary, for example with target_session_attrs=read-write and all hosts in the URL", errStandby)
	}
	return pid != int(conn.PgConn().PID()), nil
}

// identify learns where the database's notifications go.
func (b *Backend) identify(ctx context.Context) error {
	return b.pool.QueryRow(ctx, b.sql("SELECT 'secondgate_' || '@.app_data'::regclass::oid")).Scan(&b.channel)
}

func epochOf(token string) (e epoch) {
	sum := sha256.Sum256([]byte(token))
	copy(e[:], sum[:])
	return e
}

// refused says in one sentence why the database cannot be opened and what to do.
func refused(err error) error {
	switch {
	case err == nil:
		return nil
	case isState(err, "28P01", "28000"):
		return fmt.Errorf("PostgreSQL refuses the user or its password: look at the URL, and at pg_hba.conf: %w", err)
	case isState(err, "3D000"):
		return fmt.Errorf("the database does not exist: make it with createdb: %w", err)
	case isState(err, "42501"):
		return fmt.Errorf("the role lacks a right: grant it what docs/operations.md lists: %w", err)
	}
	return fmt.Errorf("cannot open the PostgreSQL database: %w", err)
}

// sql puts the schema's name in place of @, once for each text.
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
	b.mu.Lock()
	b.closed = true
	b.mu.Unlock()
	b.cancel()
	b.running.Wait()
	defer time.AfterFunc(closeTime, b.lines.hangUp).Stop()
	if b.pool != nil {
		b.pool.Close()
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
