package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/secondgate/secondgate/gateway"
)

const (
	// defaultAdmin is the default of --admin, as serve's tag says it.
	defaultAdmin = "127.0.0.1:8081"
	// readyTime is how long the database may take to answer before the gateway counts as not ready.
	readyTime = 2 * time.Second
)

// admin serves operators, on an address of its own that apps never see.
type admin struct {
	gateway  *gateway.Gateway
	registry *prometheus.Registry
	hosts    []string
	token    *[32]byte // fingerprint of --admin-token-file's; nil: nobody is asked
}

// listenAdmin returns nil when there is to be no admin server. The default address being taken is
// no reason not to serve: another gateway on this machine has it.
func (c *serve) listenAdmin() (net.Listener, error) {
	if c.Admin == "" {
		return nil, nil
	}
	listener, err := net.Listen("tcp", c.Admin)
	switch {
	case errors.Is(err, syscall.EADDRINUSE) && c.Admin == defaultAdmin:
		slog.Warn(
			"the default admin address is taken: there are no health checks and metrics; name another one with "+
				"--admin",
			"admin", c.Admin,
		)
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("cannot listen on the admin address %s: %w", c.Admin, err)
	}
	if ip := listener.Addr().(*net.TCPAddr).IP; !ip.IsLoopback() && c.adminToken == nil {
		_ = listener.Close()
		return nil, fmt.Errorf(
			"the admin address %s is reachable from other machines: pass --admin-token-file FILE with a token for "+
				"operators, or use 127.0.0.1",
			c.Admin,
		)
	}
	return listener, nil
}

// startAdmin serves until stop is called, which is after the gateway has drained.
func startAdmin(listener net.Listener, a *admin) (stop func()) {
	if listener == nil {
		return func() {}
	}
	server := &http.Server{
		Handler: a.handler(), ReadHeaderTimeout: headerTime, MaxHeaderBytes: 16 << 10, ErrorLog: serverLog(),
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			slog.Error("the admin server failed", "error", err)
		}
	}()
	slog.Info("the admin server is up", "url", "http://"+listener.Addr().String()+"/")
	return func() {
		_ = server.Close()
		<-done
	}
}

func closeQuietly(listener net.Listener) {
	if listener != nil {
		_ = listener.Close()
	}
}

// handler has the probes for everybody who reaches the address: a load balancer has no token. What tells of
// the inside is for operators.
func (a *admin) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc(
		"GET /livez", func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, "ok", "") },
	)
	mux.HandleFunc("GET /readyz", a.ready)
	mux.Handle("/", a.forOperators(a.inside()))
	return a.guarded(mux)
}

// inside is what tells of the gateway's inside.
func (a *admin) inside() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(a.registry, promhttp.HandlerOpts{}))
	// Not pprof.Cmdline: the command line may hold the database's password.
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("POST /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	return mux
}

// guarded keeps web pages out: they can dial a loopback address under any name that their DNS makes
// up, but not under an address.
func (a *admin) guarded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if fromPage(r) || !a.hostAllowed(r.Host) {
			answer(
				w, http.StatusForbidden, "forbidden",
				"ask by address, as localhost, or under an allowed host, and not from a page",
			)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// fromPage reports whether a page asks. Browsers leave Origin out where a page shows an image of
// another origin, and say so in Sec-Fetch-Site; "none" is what a person types.
func fromPage(r *http.Request) bool {
	site := r.Header.Values("Sec-Fetch-Site")
	return len(r.Header.Values("Origin")) > 0 || len(site) > 0 && !slices.Equal(site, []string{"none"})
}

func (a *admin) hostAllowed(host string) bool {
	host = strings.ToLower(host)
	name, _, err := net.SplitHostPort(host)
	if err != nil {
		name = strings.Trim(host, "[]")
	}
	_, err = netip.ParseAddr(name)
	return err == nil || name == "localhost" ||
		slices.ContainsFunc(a.hosts, func(allowed string) bool { return strings.EqualFold(allowed, host) })
}

// ready is 200 while clients should be sent here. Only operators are told why not.
func (a *admin) ready(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), readyTime)
	defer cancel()
	if err := a.gateway.Ready(ctx); err != nil {
		why := ""
		if a.knows(r) {
			why = err.Error()
		}
		answer(w, http.StatusServiceUnavailable, "not ready", why)
		return
	}
	answer(w, http.StatusOK, "ready", "")
}

func answer(w http.ResponseWriter, status int, word, reason string) {
	body, _ := json.Marshal(struct { // strings: cannot fail
		Status string `json:"status"`
		Reason string `json:"reason,omitempty"`
	}{word, reason})
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n')) // a client that has gone does not miss it
}
