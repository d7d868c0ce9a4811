package access

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"syscall"
	"time"
)

// maxAnswer is the greatest length of what a URL of the operator answers, in bytes.
const maxAnswer = 1 << 20

// Client asks a URL that the operator has named. It follows no redirect, and takes 1 MiB at most. It dials
// no private address, which a DNS server of somebody else could name, unless private is set or the URL itself
// names an address or localhost.
func Client(u *url.URL, private bool, timeout time.Duration) *http.Client {
	dialer := &net.Dialer{Timeout: timeout}
	if !private && !namesAddress(u) {
		dialer.Control = refusePrivate
	}
	transport := &http.Transport{
		DialContext: dialer.DialContext, ForceAttemptHTTP2: true, MaxIdleConnsPerHost: 8,
		IdleConnTimeout: time.Minute, TLSHandshakeTimeout: timeout, ResponseHeaderTimeout: timeout,
	}
	return &http.Client{Transport: bounded{transport}, Timeout: timeout, CheckRedirect: noRedirect}
}

// namesAddress reports whether no name is looked up for the URL.
func namesAddress(u *url.URL) bool {
	_, err := netip.ParseAddr(u.Hostname())
	return err == nil || u.Hostname() == "localhost"
}

func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// refusePrivate is asked for each address that is dialled, after names have been looked up.
func refusePrivate(_, address string, _ syscall.RawConn) error {
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return err
	}
	if !isPublic(at.Addr().Unmap()) {
		return fmt.Errorf("%s is a private address: pass --auth-private if it is meant", at.Addr())
	}
	return nil
}

// carrierNet is RFC 6598's, which netip does not count as private.
var carrierNet = netip.MustParsePrefix("100.64.0.0/10")

func isPublic(ip netip.Addr) bool {
	return ip.IsGlobalUnicast() && !ip.IsPrivate() && !carrierNet.Contains(ip)
}

// bounded cuts answers that are too long.
type bounded struct{ http.RoundTripper }

func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := b.RoundTripper.RoundTrip(r)
	if err == nil {
		answer.Body = &boundedBody{ReadCloser: answer.Body, left: maxAnswer}
	}
	return answer, err
}

type boundedBody struct {
	io.ReadCloser
	left int
}

var errTooLong = errors.New("the answer is too long")

func (b *boundedBody) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errTooLong
	}
	n, err := b.ReadCloser.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}
