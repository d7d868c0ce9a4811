package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/secondgate/secondgate/gateway"
	"github.com/secondgate/secondgate/web"
)

const (
	headerTime = 10 * time.Second
	drainTime  = 10 * time.Second
	openTime   = 30 * time.Second
)

// serve is the command of that name. Every flag is also an environment variable SECONDGATE_<FLAG>.
type serve struct {
	Listen        string        `help:"Address to serve on; port 0 takes a free one." default:"127.0.0.1:8080"`
	Backend       string        `help:"The database: sqlite:PATH." default:"sqlite:./data/secondgate.db"`
	AllowedHost   []string      `help:"Host header to serve beside those of a loopback address, port included."`
	AllowedOrigin []string      `help:"Origin of pages that may connect beside the gateway's own."`
	Heartbeat     time.Duration `help:"Time between bookmarks on a quiet connection, at most 60s." default:"25s"`
	Retention     time.Duration `help:"How long clients can resume after being away." default:"24h"`
	NonLoopback   bool          `help:"Serve beyond this machine although nobody is authenticated."`
}

// Run serves until ctx ends, then drains.
func (c *serve) Run(ctx context.Context) error {
	listener, err := c.listen()
	if err != nil {
		return err
	}
	backend, err := openBackend(ctx, c.Backend, c.Retention)
	if err != nil {
		_ = listener.Close()
		return err
	}
	defer func() {
		if err := backend.Close(); err != nil {
			slog.Error("closing the database failed", "error", err)
		}
	}()
	g, err := c.gateway(ctx, backend, listener.Addr().(*net.TCPAddr))
	if err != nil {
		_ = listener.Close()
		return err
	}
	fmt.Printf("secondgate serves %s on http://%s/\n", redact(c.Backend), listener.Addr())
	return serveUntil(ctx, listener, g)
}

// listen refuses to serve strangers by accident: in this mode whoever reaches the socket may do everything.
func (c *serve) listen() (net.Listener, error) {
	listener, err := net.Listen("tcp", c.Listen)
	if err != nil {
		return nil, fmt.Errorf("cannot listen on %s: %w", c.Listen, err)
	}
	if ip := listener.Addr().(*net.TCPAddr).IP; !ip.IsLoopback() && !c.NonLoopback {
		_ = listener.Close()
		return nil, fmt.Errorf("%s is reachable from other machines and nobody is authenticated: listen on 127.0.0.1, or pass --non-loopback if a proxy guards it", c.Listen)
	}
	return listener, nil
}

func serveUntil(ctx context.Context, listener net.Listener, g *gateway.Gateway) error {
	server := &http.Server{Handler: g.Handler(web.Page()), ReadHeaderTimeout: headerTime, MaxHeaderBytes: 16 << 10}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	select {
	case err := <-failed:
		g.Shutdown(expired())
		return err
	case <-ctx.Done():
	}
	slog.Info("stopping: sessions are told to connect again")
	drain, cancel := context.WithTimeout(context.Background(), drainTime)
	defer cancel()
	_ = listener.Close() // refuse new ones first
	g.Shutdown(drain)
	err := server.Shutdown(drain)
	if serveErr := <-failed; err == nil && !errors.Is(serveErr, http.ErrServerClosed) && !errors.Is(serveErr, net.ErrClosed) {
		err = serveErr
	}
	return err
}

func expired() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}
