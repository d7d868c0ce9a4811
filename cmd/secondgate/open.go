package main

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/backends/sqlite"
	"github.com/secondgate/secondgate/gateway"
)

// openBackend opens the database that a URL names, by its scheme.
func openBackend(ctx context.Context, address string, retention time.Duration, metrics *gateway.Metrics) (backends.Backend, error) {
	ctx, cancel := context.WithTimeout(ctx, openTime)
	defer cancel()
	scheme, path, found := strings.Cut(address, ":")
	switch {
	case !found:
		return nil, fmt.Errorf("the backend %q has no scheme: write sqlite:PATH", redact(address))
	case scheme == "sqlite" && path != "":
		return sqlite.Open(ctx, sqlite.Options{
			Path: strings.TrimPrefix(path, "//"), Retention: retention, Withheld: metrics.Withheld, Committed: metrics.Committed,
		})
	}
	return nil, fmt.Errorf("the backend %q is not supported: write sqlite:PATH", redact(address))
}

// gateway makes the gateway for the address that is listened on.
func (c *serve) gateway(ctx context.Context, b backends.Backend, at *net.TCPAddr, metrics *gateway.Metrics) (*gateway.Gateway, error) {
	config := gateway.DefaultConfig()
	config.Heartbeat, config.Metrics, config.Forward = c.Heartbeat, metrics, c.Forward
	for _, host := range c.hosts(at) {
		config.Hosts = append(config.Hosts, strings.ToLower(host))
		config.Origins = append(config.Origins, c.scheme()+"://"+strings.ToLower(host))
	}
	config.Origins = append(config.Origins, c.AllowedOrigin...)
	return gateway.New(ctx, b, config)
}

// hosts are the names that a browser on this machine uses for the address, and those that the operator adds.
func (c *serve) hosts(at *net.TCPAddr) []string {
	port := strconv.Itoa(at.Port)
	hosts := append([]string{at.String()}, c.AllowedHost...)
	if at.IP.IsLoopback() || at.IP.IsUnspecified() {
		for _, name := range []string{"localhost", "127.0.0.1", "::1"} {
			hosts = append(hosts, net.JoinHostPort(name, port))
		}
	}
	return hosts
}
