package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"sync"
	"time"
)

// recheck is how often, at most, a handshake looks whether the certificate's files have changed.
const recheck = 10 * time.Second

// certificate is a pair of files that may be replaced while the gateway serves.
type certificate struct {
	cert, key string

	mu      sync.Mutex
	pair    *tls.Certificate
	changed time.Time // of the files that pair is from
	looked  time.Time
}

func (c *serve) scheme() string {
	if c.TLSCert != "" || len(c.ACME) > 0 {
		return "https"
	}
	return "http"
}

// tlsConfig is nil when the gateway is to serve without. end is called when it has served.
func (c *serve) tlsConfig(ctx context.Context, at *net.TCPAddr) (config *tls.Config, end func(), err error) {
	end = func() {}
	if len(c.ACME) > 0 {
		return c.manageACME(ctx, at)
	}
	files, err := c.certificate()
	if files != nil {
		config = &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: files.get}
	}
	return config, end, err
}

// certificate is nil when the gateway is to serve without.
func (c *serve) certificate() (*certificate, error) {
	if (c.TLSCert == "") != (c.TLSKey == "") {
		return nil, errors.New("--tls-cert and --tls-key go together: set both or none")
	}
	if c.TLSCert == "" {
		return nil, nil
	}
	files := &certificate{cert: c.TLSCert, key: c.TLSKey}
	if err := files.load(); err != nil {
		return nil, fmt.Errorf("the certificate cannot be used: %w", err)
	}
	return files, nil
}

// get is for tls.Config. A renewed pair that cannot be used, or is half written, leaves the old one
// in place.
func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := time.Now(); now.Sub(c.looked) >= recheck {
		c.looked = now
		if changed, err := c.modified(); err == nil && !changed.Equal(c.changed) {
			if err := c.load(); err != nil {
				slog.Error("the renewed certificate cannot be used; the old one stays", "error", err)
			}
		}
	}
	return c.pair, nil
}

func (c *certificate) load() error {
	changed, err := c.modified()
	if err != nil {
		return err
	}
	pair, err := tls.LoadX509KeyPair(c.cert, c.key)
	if err != nil {
		return err
	}
	c.pair, c.changed = &pair, changed
	return nil
}

// modified is when the younger of the files was written.
func (c *certificate) modified() (time.Time, error) {
	var last time.Time
	for _, name := range []string{c.cert, c.key} {
		info, err := os.Stat(name)
		if err != nil {
			return last, err
		}
		if info.ModTime().After(last) {
			last = info.ModTime()
		}
	}
	return last, nil
}
