package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/alecthomas/kong"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/secondgate/secondgate/gateway"
	"github.com/secondgate/secondgate/gateway/metrics"
	"github.com/secondgate/secondgate/web"
)

const (
	headerTime = 10 * time.Second
	drainTime  = 10 * time.Second
	openTime   = 30 * time.Second
	sendBuffer = 128 << 10 // bytes that the kernel may buffer for one client
	// idleTime is longer than proxies keep their connections: none is closed under a proxy's request.
	idleTime = 120 * time.Second
)

// serve is the command of that name, and all that can be configured of it.
type serve struct {
	Listen         string        `help:"Address to serve on; port 0 takes a free one." default:"127.0.0.1:8080"`
	Admin          string        `help:"Address of health checks, metrics and profiles; empty for none." default:"127.0.0.1:8081"`
	AdminTokenFile string        `help:"File with the token that operators send to the admin address: at least 32 bytes. Needed beyond loopback." placeholder:"FILE"`
	Backend        string        `help:"The database: sqlite:PATH, postgres://… or mongodb://…" default:"sqlite:./data/secondgate.db" secret:""`
	BackendDirect  string        `help:"URL of the same PostgreSQL without a pooler in between, for LISTEN." secret:""`
	AllowedHost    []string      `help:"Host header to serve besides those of a loopback address, port included."`
	AllowedOrigin  []string      `help:"Origin of pages that may connect besides the gateway's own."`
	Forward        *url.URL      `help:"URL of a web app that gets every request that is not the gateway's, such as http://127.0.0.1:3000."`
	TLSCert        string        `name:"tls-cert" help:"Certificate file (PEM) to serve HTTPS and HTTP/2 with; read again when it changes." placeholder:"FILE"`
	TLSKey         string        `name:"tls-key" help:"Key file (PEM) of the certificate." placeholder:"FILE"`
	Heartbeat      time.Duration `help:"Time between bookmarks on a quiet connection, at most 60s." default:"25s"`
	Retention      time.Duration `help:"How long clients can resume after being away." default:"24h"`
	Memory         *size         `help:"How much memory the gateway may use; by default half of the machine's or its cgroup's." placeholder:"SIZE"`
	DocumentBytes  size          `help:"How large a document's data may become, from 1KiB to 16MiB." default:"1MiB"`
	DrainDelay     time.Duration `help:"How long to report not ready and keep serving before the gateway stops: a proxy can notice." default:"0s"`
	PlainSockets   bool          `help:"Write to clients by net/http and coder/websocket alone: slower, and independent of how they work inside."`
	Compression    string        `help:"What to compress for clients that offer it: all, sockets, or off. A proxy that holds compressed event streams back needs sockets." enum:"all,sockets,off" default:"all"`
	Explorer       string        `help:"Serve the explorer at /explorer/: on, readonly or off." enum:"on,readonly,off" default:"on"`
	NonLoopback    bool          `help:"Serve beyond this machine although nobody is authenticated."`
	auth           `embed:""`
	tokens         `embed:""`
	quotas         `embed:""`
	acme           `embed:""`
	agentFlags     `embed:""`
	workerFlags    `embed:""`
	trail          `embed:""`
	LogFormat      string `help:"Format of the log on stderr: text or json." enum:"text,json" default:"text"`
	LogLevel       string `help:"What to log: debug, info, warn or error." enum:"debug,info,warn,error" default:"info"`

	adminToken *[32]byte // fingerprint of what AdminTokenFile has
}

// Run serves until ctx ends, then drains.
func (c *serve) Run(ctx context.Context, parsed *kong.Context) error {
	slog.SetDefault(c.logger(parsed.Stderr))
	if os.Getenv("GOGC") == "" {
		defer keepHeap()()
	}
	defer limitHeap(*c.Memory)()
	for _, name := range unknownVariables(parsed.Model, os.Environ()) {
		slog.Warn("no flag has this environment variable", "name", name)
	}
	printConfig(parsed, slog.Default())
	c.warnNobody()
	listener, err := c.listen()
	if err != nil {
		return err
	}
	defer listener.Close() // serveUntil has closed it by then
	secure, endTLS, err := c.tlsConfig(ctx, listener.Addr().(*net.TCPAddr))
	if err != nil {
		return err
	}
	defer endTLS()
	adminListener, err := c.listenAdmin()
	if err != nil {
		return err
	}
	registry := newRegistry()
	counts := metrics.New(registry)
	backend, err := c.openBackend(ctx, counts)
	if err != nil {
		closeQuietly(adminListener)
		return err
	}
	defer func() {
		if err := backend.Close(); err != nil {
			slog.Error("closing the database failed", "error", err)
		}
	}()
	g, err := c.gateway(ctx, backend, listener.Addr().(*net.TCPAddr), counts)
	if err != nil {
		closeQuietly(adminListener)
		return err
	}
	defer startAdmin(adminListener, &admin{
		gateway: g, registry: registry, hosts: c.AllowedHost, token: c.adminToken,
	})()
	fmt.Fprintf(parsed.Stdout, "secondgate serves %s on %s://%s/\n",
		redact(c.Backend), c.scheme(), listener.Addr())
	return c.serveUntil(ctx, newHTTPServer(g.Handler(web.Page(c.isOpen())), secure), yieldingListener{listener}, g)
}

func (c *serve) logger(w io.Writer) *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(c.LogLevel)) // kong has checked it
	options := &slog.HandlerOptions{Level: level}
	if c.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}

// newRegistry holds this process's metrics; there is no global one.
func newRegistry() *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	return r
}

// listen refuses an address beyond loopback where every client may do everything, unless told.
func (c *serve) listen() (net.Listener, error) {
	listener, err := net.Listen("tcp", c.Listen)
	if err != nil {
		return nil, fmt.Errorf("cannot listen on %s: %w", c.Listen, err)
	}
	if ip := listener.Addr().(*net.TCPAddr).IP; !ip.IsLoopback() && c.Auth == "none" && !c.NonLoopback {
		_ = listener.Close()
		return nil, fmt.Errorf(
			"%s is reachable from other machines and nobody is authenticated: choose a mode with --auth, listen on "+
				"127.0.0.1, or pass --non-loopback if a proxy guards it",
			c.Listen,
		)
	}
	return listener, nil
}

// yieldingListener takes a connection when nothing else can run. When thousands of clients come
// back at once, their handshakes would otherwise be a queue that every change waits behind. The
// kernel has such a queue already.
type yieldingListener struct{ net.Listener }

func (l yieldingListener) Accept() (net.Conn, error) {
	runtime.Gosched()
	return l.Listener.Accept()
}

// newHTTPServer speaks HTTP/1.1 and HTTP/2. Without a certificate HTTP/2 is for clients that know
// beforehand (RFC 9113 §3.3), as proxies do.
func newHTTPServer(handler http.Handler, secure *tls.Config) *http.Server {
	s := &http.Server{
		Handler: handler, ReadHeaderTimeout: headerTime, IdleTimeout: idleTime, MaxHeaderBytes: 16 << 10,
		Protocols: new(http.Protocols), ConnContext: bounded, ErrorLog: serverLog(),
	}
	s.Protocols.SetHTTP1(true)
	s.Protocols.SetHTTP2(true)
	s.Protocols.SetUnencryptedHTTP2(secure == nil)
	s.TLSConfig = secure
	return s
}

// serverLog takes the lines of net/http. Without it they would all be of level INFO.
func serverLog() *log.Logger { return log.New(serverLines{}, "", 0) }

type serverLines struct{}

// Write logs one line. What clients alone can cause, such as a bad TLS handshake, is of level INFO.
func (serverLines) Write(line []byte) (int, error) {
	level := slog.LevelInfo
	switch {
	case bytes.HasPrefix(line, []byte("http: Accept error")):
		level = slog.LevelWarn // the server waits and accepts again
	case bytes.HasPrefix(line, []byte("http: panic serving")):
		level = slog.LevelError
	}
	slog.Log(context.Background(), level, strings.TrimSpace(string(line)))
	return len(line), nil
}

// bounded keeps the kernel from taking megabytes for a client that does not read.
func bounded(ctx context.Context, conn net.Conn) context.Context {
	if wrapped, ok := conn.(*tls.Conn); ok {
		conn = wrapped.NetConn()
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetWriteBuffer(sendBuffer) // a hint; the stall time holds without it
	}
	return ctx
}

// serveUntil first fails the readiness check, then refuses connections, then ends the open ones.
func (c *serve) serveUntil(
	ctx context.Context, server *http.Server, listener net.Listener, g *gateway.Gateway,
) error {
	failed := make(chan error, 1)
	go func() {
		if server.TLSConfig != nil {
			failed <- server.ServeTLS(listener, "", "")
			return
		}
		failed <- server.Serve(listener)
	}()
	select {
	case err := <-failed:
		g.Shutdown(expired())
		return err
	case <-ctx.Done():
	}
	g.Drain()
	slog.Info("stopping: sessions are told to connect again", "after", c.DrainDelay)
	time.Sleep(c.DrainDelay)
	drain, cancel := context.WithTimeout(context.Background(), drainTime)
	defer cancel()
	_ = listener.Close() // refuse new ones first
	g.Shutdown(drain)
	err := server.Shutdown(drain)
	if errors.Is(err, context.DeadlineExceeded) {
		slog.Warn("some requests did not end in time: they are cut", "after", drainTime)
		err = server.Close()
	}
	if errors.Is(err, net.ErrClosed) { // a server that was stopped as it began still knew the listener
		err = nil
	}
	if serveErr := <-failed; err == nil && !errors.Is(serveErr, http.ErrServerClosed) &&
		!errors.Is(serveErr, net.ErrClosed) {
		err = serveErr
	}
	return err
}

func expired() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}
