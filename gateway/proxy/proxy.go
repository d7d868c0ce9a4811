package proxy

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httputil"
	"net/url"
	"sync/atomic"

	"github.com/secondgate/secondgate/gateway/door"
	"github.com/secondgate/secondgate/protocol"
)

// Handler passes requests on, WebSockets included. Those are cut when stopped ends: net/http
// forgets connections that were upgraded, and the gateway cannot close them in the app's words.
func Handler(stopped context.Context, to *url.URL, proxies door.Proxies, log *slog.Logger) http.Handler {
	proxy := &httputil.ReverseProxy{
		Rewrite:       func(r *httputil.ProxyRequest) { rewrite(r, to, proxies) },
		FlushInterval: -1, // an app's own event streams pass at once
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			appAway(w, r, err, log)
		},
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength != 0 {
			body := &clientBody{ReadCloser: r.Body}
			r = r.WithContext(context.WithValue(r.Context(), bodyKey{}, body))
			r.Body = body
		}
		if r.Header.Get("Upgrade") == "" {
			proxy.ServeHTTP(w, r)
			return
		}
		ctx, cancel := context.WithCancel(r.Context())
		defer cancel()
		defer context.AfterFunc(stopped, cancel)()
		proxy.ServeHTTP(w, r.WithContext(ctx))
	})
}

// rewrite keeps the Host, by which the app knows its own pages, and adds the forwarding headers. It
// believes those that the request has only when it comes from a trusted proxy. Where the operator has
// named none, every proxy on this machine is one.
func rewrite(r *httputil.ProxyRequest, to *url.URL, proxies door.Proxies) {
	r.SetURL(to)
	r.Out.Host, r.Out.URL.RawQuery = r.In.Host, r.In.URL.RawQuery
	if believes(proxies, r.In) {
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

func believes(proxies door.Proxies, r *http.Request) bool {
	if len(proxies) == 0 {
		return door.Peer(r).IsLoopback()
	}
	return proxies.Have(door.Peer(r))
}

// bodyKey is the context's key of a request's clientBody.
type bodyKey struct{}

// clientBody notes that the client's body could not be read, which is not the app's fault.
type clientBody struct {
	io.ReadCloser
	failed atomic.Bool
}

func (b *clientBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil && err != io.EOF {
		b.failed.Store(true)
	}
	return n, err
}

func appAway(w http.ResponseWriter, r *http.Request, err error, log *slog.Logger) {
	if r.Context().Err() != nil {
		return // the client has gone, or the gateway stops
	}
	if body, _ := r.Context().Value(bodyKey{}).(*clientBody); body != nil && body.failed.Load() {
		door.WriteError(w, protocol.Errorf(protocol.CodeInvalidMessage,
			"the body of the request cannot be read: it is malformed, or ends early"))
		return
	}
	log.Warn("the web app that the gateway stands in front of does not answer", "error", err)
	door.WriteStatus(w, http.StatusBadGateway, protocol.Errorf(protocol.CodeUnavailable,
		"the web app behind this gateway does not answer: try again"))
}
