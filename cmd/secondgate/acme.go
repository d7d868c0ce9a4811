package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"net"
	"os"

	"github.com/caddyserver/certmagic"
	"go.uber.org/zap"
)

// acme has certificates made and renewed by a certificate authority (RFC 8555). Its flags are serve's.
type acme struct {
	ACME          []string `name:"acme" help:"Domain to get a certificate for, by ACME; --listen must be what the domain's port 443 leads to." placeholder:"DOMAIN"`
	ACMEDir       string   `name:"acme-dir" help:"Directory for its certificates and keys." default:"./data/acme" placeholder:"DIR"`
	ACMEEmail     string   `name:"acme-email" help:"Address that the authority may write to."`
	ACMEDirectory string   `name:"acme-directory" help:"URL of the authority's directory." default:"https://acme-v02.api.letsencrypt.org/directory" placeholder:"URL"`
	ACMERoot      string   `name:"acme-root" help:"File (PEM) with the root that the authority's own HTTPS is checked with, for one of your own." placeholder:"FILE"`
}

// checkACME fails on flags that do not go together, and writes domains as browsers do.
func (c *serve) checkACME() error {
	if err := each(c.ACME, normalDomain, &c.ACME); err != nil {
		return err
	}
	if len(c.ACME) > 0 && (c.TLSCert != "" || c.TLSKey != "") {
		return badSetting("--acme and --tls-cert do not go together: either has the certificate made")
	}
	return nil
}

// normalDomain is a name that an authority gives a certificate for.
func normalDomain(text string) (string, error) {
	domain, err := normalHost(text)
	if err != nil || !certmagic.SubjectQualifiesForPublicCert(domain) {
		return "", badSetting("a value of --acme is no domain: write app.example.com")
	}
	return domain, nil
}

// manageACME gets certificates and keeps them fresh until ctx ends and end is called. The challenge is
// TLS-ALPN-01 (RFC 8737), which the listener itself answers: no other port is opened.
func (c *serve) manageACME(ctx context.Context, at *net.TCPAddr) (config *tls.Config, end func(), err error) {
	roots, err := c.acmeRoots()
	if err != nil {
		return nil, nil, err
	}
	log := zap.New(slogCore{slog.Default()})
	var magic *certmagic.Config
	cache := certmagic.NewCache(certmagic.CacheOptions{
		GetConfigForCert: func(certmagic.Certificate) (*certmagic.Config, error) { return magic, nil },
		Logger:           log,
	})
	magic = certmagic.New(cache, certmagic.Config{
		Storage: &certmagic.FileStorage{Path: c.ACMEDir}, Logger: log,
	})
	magic.Issuers = []certmagic.Issuer{certmagic.NewACMEIssuer(magic, certmagic.ACMEIssuer{
		CA: c.ACMEDirectory, TestCA: c.ACMEDirectory, Email: c.ACMEEmail, Agreed: true, TrustedRoots: roots,
		DisableHTTPChallenge: true, ListenHost: at.IP.String(), AltTLSALPNPort: at.Port,
		Logger: log,
	})}
	if err := magic.ManageAsync(ctx, c.ACME); err != nil {
		cache.Stop()
		return nil, nil, fmt.Errorf("the certificates of --acme cannot be managed: %w", err)
	}
	slog.Info("certificates come from an authority", "domains", c.ACME, "directory", shownURL(c.ACMEDirectory))
	config = magic.TLSConfig()
	config.MinVersion = tls.VersionTLS12
	config.NextProtos = append([]string{"h2", "http/1.1"}, config.NextProtos...)
	return config, cache.Stop, nil
}

// acmeRoots is nil where the system's roots count.
func (c *serve) acmeRoots() (*x509.CertPool, error) {
	if c.ACMERoot == "" {
		return nil, nil
	}
	text, err := os.ReadFile(c.ACMERoot)
	if err != nil {
		return nil, badSetting("the file of --acme-root cannot be read: %s", reason(err))
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(text) {
		return nil, badSetting("the file of --acme-root holds no certificate (PEM)")
	}
	return roots, nil
}
