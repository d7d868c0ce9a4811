package gateway

import (
	"context"
	"net"
	"net/http"
	"net/http/httputil"
	"net/netip"
	"net/url"

	"github.com/secondgate/secondgate/protocol"
)

// forward passes requests on to the web app that the gateway stands in front of, WebSockets included. Those are cut
// by Shutdown: net/http forgets connections that were upgraded, and the gateway cannot say goodbye for the app.
func (g *Gateway) forward(to *url.URL) http.Handler {
	proxy := &httputil.ReverseProxy{
		Rewrite:       func(r *httputil.ProxyRequest) { rewrite(r, to) },
		FlushInterval: -1, // an app's own event streams pass at once
		ErrorHandler:  g.appAway,
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") == "" {
			proxy.ServeHTTP(w, r)
			return
		}
		ctx, cancel := context.WithCancel(r.Context())
		defer cancel()
		defer context.AfterFunc(g.stopped, cancel)()
		proxy.ServeHTTP(w, r.WithContext(ctx))
	})
}

// rewrite keeps the Host, by which the app knows its own pages, and says who asks. What a client says of that itself
// is believed only from this machine, where a proxy may stand before the gateway.
func rewrite(r *httputil.ProxyRequest, to *url.URL) {
	r.SetURL(to)
	r.Out.Host, r.Out.URL.RawQuery = r.In.Host, r.In.URL.RawQuery
	if isLocal(r.In.RemoteAddr) {
		for _, name := range []string{"X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto"} {
			if values := r.In.Header.Values(name); len(values) > 0 {
				r.Out.Header[name] = values
			}
		}
	}
	proto, host := r.Out.Header.Get("X-Forwarded-Proto"), r.Out.Header.Get("X-Forwarded-Host")
	r.SetXForwarded()
	if proto != "" {
		r.Out.Header.Set("X-Forwarded-Proto", proto)
	}
	if host != "" {
		r.Out.Header.Set("X-Forwarded-Host", host)
	}
}

func isLocal(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}

func (g *Gateway) appAway(w http.ResponseWriter, r *http.Request, err error) {
	if r.Context().Err() != nil {
		return // the client has gone, or the gateway stops
	}
	g.config.Log.Warn("the web app that the gateway stands in front of does not answer", "error", err)
	writeStatus(w, http.StatusBadGateway, protocol.Errorf(protocol.CodeUnavailable,
		"the web app behind this gateway does not answer: try again"))
}
