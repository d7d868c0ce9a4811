package door_test

import (
	"net/http"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/gateway/door"
)

// TestClientOf: who a request counts as. A forwarded address counts from a trusted proxy alone, and of
// its list only what trusted proxies have added.
func TestClientOf(t *testing.T) {
	t.Parallel()
	proxies := door.Proxies{
		netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("127.0.0.1/32"),
		netip.MustParsePrefix("2001:db8:1::/48"),
	}
	const proxy = "10.0.0.1:4000"
	const client, other = "203.0.113.7", "198.51.100.9"
	for _, c := range []struct {
		what, peer string
		forwarded  []string
		want       string
		named      bool
	}{
		{"a client itself", client + ":4000", nil, client, false},
		{"a client that names another", client + ":4000", []string{other}, client, false},
		{"a client that names a proxy", client + ":4000", []string{"10.0.0.1"}, client, false},
		{"a client that names a chain", client + ":4000", []string{other + ", 10.0.0.1"}, client, false},
		{"a client beside the networks", "11.0.0.1:4000", []string{other}, "11.0.0.1", false},
		{"another address of loopback", "127.0.0.2:4000", []string{other}, "127.0.0.2", false},
		{"loopback of IPv6, which is not trusted", "[::1]:4000", []string{other}, "::1", false},
		{"a proxy without the header", proxy, nil, "10.0.0.1", false},
		{"a proxy with an empty header", proxy, []string{""}, "10.0.0.1", false},
		{"a proxy", proxy, []string{client}, client, true},
		{"a proxy on this machine", "127.0.0.1:4000", []string{client}, client, true},
		{"a proxy that is connected by IPv6", "[2001:db8:1::5]:4000", []string{client}, client, true},
		{"a proxy whose address is mapped", "[::ffff:10.0.0.1]:4000", []string{client}, client, true},
		{"what the client had sent", proxy, []string{other + ", " + client}, client, true},
		{"what the client had sent as a proxy", proxy, []string{"10.9.9.9, " + client}, client, true},
		{"two proxies", proxy, []string{client + ",10.0.0.2"}, client, true},
		{"two proxies and a forged entry", proxy, []string{other + "," + client + ",10.0.0.2"}, client, true},
		{"several headers are one list", proxy, []string{other, client, "10.0.0.2"}, client, true},
		{"a forged header before the proxy's", proxy, []string{other + ", 10.0.0.3", client}, client, true},
		{"spaces and tabs", proxy, []string{other + "  ,\t" + client + " \t"}, client, true},
		{"a port", proxy, []string{client + ":51000"}, client, true},
		{"IPv6", proxy, []string{"2001:db8:2::7"}, "2001:db8:2::7", true},
		{"IPv6 with a port", proxy, []string{"[2001:db8:2::7]:51000"}, "2001:db8:2::7", true},
		{"IPv6 in brackets", proxy, []string{"[2001:db8:2::7]"}, "2001:db8:2::7", true},
		{"a mapped address", proxy, []string{"::ffff:" + client}, client, true},
		{"a mapped address of a proxy", proxy, []string{client + ", ::ffff:10.0.0.2"}, client, true},
		{"a client behind a loopback proxy", "127.0.0.1:4000", []string{"::1"}, "::1", true},
		{"proxies alone: the first of them", proxy, []string{"10.0.0.3, 10.0.0.2"}, "10.0.0.3", true},
		{"a malformed entry", proxy, []string{"unknown"}, "10.0.0.1", false},
		{"a malformed entry between", proxy, []string{client + ", junk, 10.0.0.2"}, "10.0.0.2", true},
		{"an empty entry", proxy, []string{client + ","}, "10.0.0.1", false},
		{"an empty entry between", proxy, []string{client + ",,10.0.0.2"}, "10.0.0.2", true},
		{"a name of RFC 7239", proxy, []string{"_hidden"}, "10.0.0.1", false},
		{"the syntax of RFC 7239", proxy, []string{"for=" + client}, "10.0.0.1", false},
		{"in quotes", proxy, []string{`"` + client + `"`}, "10.0.0.1", false},
		{"a zone", proxy, []string{"fe80::1%eth0"}, "10.0.0.1", false},
		{"a zone and a port", proxy, []string{"[fe80::1%eth0]:1"}, "10.0.0.1", false},
		{"half a bracket", proxy, []string{"[2001:db8:2::7"}, "10.0.0.1", false},
		{"IPv4 in brackets", proxy, []string{"[" + client + "]"}, "10.0.0.1", false},
		{"an octet too many", proxy, []string{client + ".1"}, "10.0.0.1", false},
		{"octal", proxy, []string{"0203.0.113.7"}, "10.0.0.1", false},
		{"a port that is none", proxy, []string{client + ":http"}, "10.0.0.1", false},
		{"a peer with a zone", "[fe80::1%eth0]:4000", []string{client}, "fe80::1", false},
		{"a Unix socket", "@", []string{client}, "invalid IP", false},
		{"nothing", "", []string{client}, "invalid IP", false},
	} {
		r := &http.Request{RemoteAddr: c.peer, Header: http.Header{"X-Forwarded-For": c.forwarded}}
		address, named := proxies.ClientOf(r)
		require.Equal(t, c.want, address.String(), c.what)
		require.Equal(t, c.named, named, c.what)
		address, named = door.Proxies(nil).ClientOf(r)
		require.False(t, named, "%s: nobody is trusted", c.what)
		if address.IsValid() {
			peer := netip.MustParseAddrPort(c.peer).Addr().Unmap().WithZone("")
			require.Equal(t, peer, address, "%s: nobody is trusted", c.what)
		}
	}
}

// TestOtherHeadersNameNobody: proxies set these too, and clients can.
func TestOtherHeadersNameNobody(t *testing.T) {
	t.Parallel()
	proxies := door.Proxies{netip.MustParsePrefix("10.0.0.0/8")}
	r := &http.Request{RemoteAddr: "10.0.0.1:4000", Header: http.Header{}}
	for _, name := range []string{
		"X-Real-Ip", "True-Client-Ip", "Forwarded", "Cf-Connecting-Ip", "X-Client-Ip", "X-Forwarded",
	} {
		r.Header.Set(name, "203.0.113.7")
	}
	address, named := proxies.ClientOf(r)
	require.Equal(t, "10.0.0.1", address.String())
	require.False(t, named)
}
