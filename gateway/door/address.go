package door

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// Proxies are the networks of the proxies that may say which address a client has.
type Proxies []netip.Prefix

// Peer is the address of a connection's other end; not valid where it has none, as on a Unix socket.
func Peer(r *http.Request) netip.Addr {
	at, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return at.Addr().Unmap().WithZone("")
}

// ClientOf is the address that a request comes from: its peer's, or the one that a peer in p names by
// X-Forwarded-For. Each proxy adds its own peer at the right, and a client may have written anything
// before that. So the right-most entry that is no proxy's counts, and nothing before a malformed one.
// named reports whether a proxy has named it.
func (p Proxies) ClientOf(r *http.Request) (address netip.Addr, named bool) {
	address = Peer(r)
	entries := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for _, entry := range slices.Backward(entries) {
		hop, ok := parseHop(entry)
		if !ok || !p.Have(address) {
			break
		}
		address, named = hop, true
	}
	return address, named
}

// Have reports whether an address is a proxy's.
func (p Proxies) Have(address netip.Addr) bool {
	return slices.ContainsFunc(p, func(network netip.Prefix) bool { return network.Contains(address) })
}

// parseHop reads an entry of X-Forwarded-For: an address, which some proxies write with a port or in
// brackets.
func parseHop(entry string) (netip.Addr, bool) {
	if entry = strings.Trim(entry, " \t"); strings.HasSuffix(entry, "]") {
		entry += ":0"
	}
	address, err := netip.ParseAddr(entry)
	if err != nil {
		var withPort netip.AddrPort
		withPort, err = netip.ParseAddrPort(entry)
		address = withPort.Addr()
	}
	return address.Unmap(), err == nil && address.Zone() == ""
}
