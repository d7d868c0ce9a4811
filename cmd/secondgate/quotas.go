package main

import (
	"math"
	"net/netip"

	"github.com/secondgate/secondgate/gateway"
	"github.com/secondgate/secondgate/gateway/limits"
	"github.com/secondgate/secondgate/gateway/store"
)

// quotas is what one user, one address and all clients may have. Its flags are serve's. 0 is no limit.
type quotas struct {
	Connections           int      `help:"Sockets and event streams open at once, in all; 0 for no limit." default:"50000"`
	ConnectionsPerUser    int      `help:"Sockets and event streams of one user; 0 for no limit. There are no users with --auth none." default:"200"`
	ConnectionsPerAddress int      `help:"Sockets and event streams from one address; 0 for no limit." default:"1000"`
	RequestsPerSecond     int      `help:"Requests of one user each second, and twice as many at once; 0 for no limit." default:"1000"`
	BytesPerSecond        size     `help:"Bytes that one user may send each second, and four times as many at once; 0 for no limit." default:"16MiB"`
	TicketsPerSecond      int      `help:"Tickets that one user makes, and one address makes and tries, each second, and ten times as many at once; 0 for no limit." default:"100"`
	ScopeDocuments        int      `help:"Documents that a scope, an app's published version or its draft, may have; 0 for no limit." default:"0"`
	ScopeBytes            size     `help:"Bytes of documents that a scope may have; 0 for no limit." default:"0"`
	TrustedProxy          []string `help:"Network of proxies whose X-Forwarded-For says which address a client has, such as 10.0.0.0/8." placeholder:"CIDR"`

	trusted []netip.Prefix
}

// mostPerSecond keeps a burst within what can be counted.
const mostPerSecond = math.MaxInt32

// checkQuotas fails on limits that cannot be meant, and reads the networks of proxies.
func (c *serve) checkQuotas() error {
	for _, limit := range []struct {
		flag  string
		value int64
	}{
		{"connections", int64(c.Connections)},
		{"connections-per-user", int64(c.ConnectionsPerUser)},
		{"connections-per-address", int64(c.ConnectionsPerAddress)},
		{"requests-per-second", int64(c.RequestsPerSecond)},
		{"bytes-per-second", int64(c.BytesPerSecond)},
		{"tickets-per-second", int64(c.TicketsPerSecond)},
		{"scope-documents", int64(c.ScopeDocuments)},
	} {
		if limit.value < 0 || limit.value > mostPerSecond {
			return badSetting("--%s is %d: it must be from 0, which is no limit, to %d",
				limit.flag, limit.value, mostPerSecond)
		}
	}
	if err := each(c.TrustedProxy, normalNetwork, &c.TrustedProxy); err != nil {
		return err
	}
	c.trusted = nil
	for _, text := range c.TrustedProxy {
		c.trusted = append(c.trusted, netip.MustParsePrefix(text))
	}
	return nil
}

// normalNetwork is a network of proxies in the form that addresses are compared with. An address alone
// is a network of one.
func normalNetwork(text string) (string, error) {
	if address, err := netip.ParseAddr(text); err == nil && address.Zone() == "" {
		text = netip.PrefixFrom(address, address.BitLen()).String()
	}
	network, err := netip.ParsePrefix(text)
	if err != nil {
		return "", badSetting("a value of --trusted-proxy is no network: " +
			"write one such as 10.0.0.0/8, or an address")
	}
	if mapped := network.Addr(); mapped.Is4In6() && network.Bits() >= 96 {
		network = netip.PrefixFrom(mapped.Unmap(), network.Bits()-96)
	}
	if network.Bits() == 0 {
		return "", badSetting("--trusted-proxy %s has every client name an address of its choice: "+
			"name the proxies alone", text)
	}
	return network.Masked().String(), nil
}

// set hands the quotas to a gateway.
func (q *quotas) set(config *gateway.Config) {
	config.Connections = limits.Most{
		All: q.Connections, PerUser: q.ConnectionsPerUser, PerAddress: q.ConnectionsPerAddress,
	}
	config.RequestRate = gateway.RequestRate(q.RequestsPerSecond)
	config.ByteRate = gateway.ByteRate(int(q.BytesPerSecond))
	config.TicketRate = gateway.TicketRate(q.TicketsPerSecond)
	config.Quota = store.Quota{Documents: q.ScopeDocuments, Bytes: int64(q.ScopeBytes)}
	config.TrustedProxies = q.trusted
}
