package main

import (
	"context"
	"net"
	"strconv"
	"strings"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/backends/mongodb"
	"github.com/secondgate/secondgate/backends/postgres"
	"github.com/secondgate/secondgate/backends/sqlite"
	"github.com/secondgate/secondgate/gateway"
	"github.com/secondgate/secondgate/gateway/metrics"
	"github.com/secondgate/secondgate/web"
)

// openBackend opens the database that a URL names, by its scheme.
func (c *serve) openBackend(ctx context.Context, counts *metrics.Metrics) (backends.Backend, error) {
	ctx, cancel := context.WithTimeout(ctx, openTime)
	defer cancel()
	switch scheme, path, _ := strings.Cut(c.Backend, ":"); {
	case scheme == "sqlite" && path != "":
		return sqlite.Open(ctx, sqlite.Options{
			Path: strings.TrimPrefix(
				path,
				"//",
			), Retention: c.Retention, Withheld: counts.Withheld, Committed: counts.Committed,
		})
	case isPostgres(scheme):
		return postgres.Open(ctx, postgres.Options{
			URL: c.Backend, Direct: c.BackendDirect, Retention: c.Retention,
			Withheld: counts.Withheld, Committed: counts.Committed,
		})
	case isMongo(scheme):
		return mongodb.Open(ctx, mongodb.Options{
			URL: c.Backend, Retention: c.Retention, Withheld: counts.Withheld, Committed: counts.Committed,
		})
	}
	return nil, errUnsupported
}

func isPostgres(scheme string) bool { return scheme == "postgres" || scheme == "postgresql" }

func isMongo(scheme string) bool { return scheme == "mongodb" || scheme == "mongodb+srv" }

// gateway makes the gateway for the address that is listened on.
func (c *serve) gateway(
	ctx context.Context, b backends.Backend, at *net.TCPAddr, counts *metrics.Metrics,
) (*gateway.Gateway, error) {
	config := gateway.DefaultConfig()
	var err error
	if config.Access, err = c.mode(ctx); err != nil {
		return nil, err
	}
	config.Heartbeat, config.Metrics, config.Forward = c.Heartbeat, counts, c.Forward
	config.PlainSockets = c.PlainSockets
	if c.Explorer != "off" {
		config.Explorer = web.Explorer(c.Explorer == "readonly")
	}
	config.Compression = map[string]gateway.Compression{
		"off": gateway.CompressNothing, "sockets": gateway.CompressSockets, "all": gateway.CompressAll,
	}[c.Compression]
	c.Memory.share(&config)
	c.quotas.set(&config)
	if config.Agents, err = c.agents(ctx, at); err != nil {
		return nil, err
	}
	config.Audit = c.trail.config()
	config.Limits.DocumentBytes, config.Limits.FrameBytes = int(c.DocumentBytes), int(c.DocumentBytes.frame())
	for _, host := range c.hosts(at) {
		config.Hosts = append(config.Hosts, host)
		// Browsers leave the default port out. Of HTTPS in front, this process knows nothing.
		for scheme := range defaultPorts {
			if short := withoutDefaultPort(scheme, host); short != host {
				config.Hosts = append(config.Hosts, short)
			}
		}
		config.Origins = append(config.Origins, c.scheme()+"://"+withoutDefaultPort(c.scheme(), host))
	}
	config.Origins = append(config.Origins, c.AllowedOrigin...)
	return gateway.New(ctx, b, config)
}

// hosts are the names that a browser on this machine uses for the address, and the operator's own.
func (c *serve) hosts(at *net.TCPAddr) []string {
	port := strconv.Itoa(at.Port)
	hosts := append([]string{strings.ToLower(at.String())}, c.AllowedHost...)
	if at.IP.IsLoopback() || at.IP.IsUnspecified() {
		for _, name := range []string{"localhost", "127.0.0.1", "::1"} {
			hosts = append(hosts, net.JoinHostPort(name, port))
		}
	}
	return hosts
}
