package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"log"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/letsencrypt/challtestsrv"
	"github.com/letsencrypt/pebble/v2/ca"
	"github.com/letsencrypt/pebble/v2/db"
	"github.com/letsencrypt/pebble/v2/va"
	"github.com/letsencrypt/pebble/v2/wfe"
	"github.com/stretchr/testify/require"
)

// authority is a certificate authority of the test's own (Pebble, Let's Encrypt's for tests), for which every
// domain leads to this machine.
type authority struct {
	directory, root string
}

func startAuthority(t *testing.T, port int) *authority {
	t.Helper()
	t.Setenv("PEBBLE_VA_NOSLEEP", "1")
	quiet := log.New(io.Discard, "", 0)
	resolver := freeAddress(t)
	names, err := challtestsrv.New(challtestsrv.Config{DNSAddrs: []string{resolver}, Log: quiet})
	require.NoError(t, err)
	names.SetDefaultDNSIPv6("")
	go names.Run() // until Shutdown
	t.Cleanup(names.Shutdown)
	store := db.NewMemoryStore()
	issuer := ca.New(quiet, store, "", "ecdsa", 0, 1, map[string]ca.Profile{"default": {ValidityPeriod: 7776000}})
	front := wfe.New(quiet, store, va.New(quiet, 1, port, false, resolver, store), issuer,
		[]string{"pebble.example"}, false, false, 1, 1)
	server := httptest.NewTLSServer(front.Handler())
	t.Cleanup(server.Close)
	root := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	return &authority{server.URL + wfe.DirectoryPath, writeFile(t, string(root))}
}

// TestACME: a gateway without a certificate gets one from an authority, which asks it on its own port, and
// keeps it for the next start.
func TestACME(t *testing.T) {
	at := freeAddress(t)
	_, text, err := net.SplitHostPort(at)
	require.NoError(t, err)
	port, err := strconv.Atoi(text)
	require.NoError(t, err)
	a := startAuthority(t, port)
	dir := t.TempDir()
	flags := []string{
		"--listen", at, "--acme", publicName, "--acme-dir", dir, "--acme-directory", a.directory,
		"--acme-root", a.root, "--allowed-host", publicName,
	}
	o := operate(t, nil, flags...)
	require.Contains(t, o.first, " on https://")
	require.NotContains(t, o.log.String(), `{"level"`, "the log has one format")
	first := certificateAt(t, o, at)
	require.Equal(t, []string{publicName}, first.DNSNames)
	require.True(t, first.NotAfter.After(time.Now()))
	o.terminate()
	require.NoError(t, o.command.Wait(), o.log.String())
	require.NoError(t, filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && filepath.Ext(path) == ".key" {
			info, err := d.Info()
			require.NoError(t, err)
			require.Zero(t, info.Mode().Perm()&0o077, "%s is its owner's alone", path)
		}
		return err
	}))
	again := certificateAt(t, operate(t, nil, flags...), at)
	require.Contains(t, o.log.String(), `level=INFO msg="certificates: `)
	require.Equal(t, first.SerialNumber, again.SerialNumber, "it is kept")
}

// certificateAt is the certificate that a gateway shows for the domain, once it has one.
func certificateAt(t *testing.T, o *operated, at string) (c *x509.Certificate) {
	t.Helper()
	require.Eventually(t, func() bool {
		conn, err := tls.Dial("tcp", at, &tls.Config{ServerName: publicName, InsecureSkipVerify: true})
		if err != nil {
			return false
		}
		c = conn.ConnectionState().PeerCertificates[0]
		return conn.Close() == nil
	}, 2*time.Minute, 100*time.Millisecond, "a certificate from the authority: %s", o.log)
	return c
}

// TestACMERefusals: flags that cannot be meant end the start.
func TestACMERefusals(t *testing.T) {
	t.Parallel()
	for says, flags := range map[string][]string{
		"is no domain":                     {"--acme", "127.0.0.1"},
		"write app.example.com":            {"--acme", "*.example.com"},
		"do not go together":               {"--acme", publicName, "--tls-cert", "x"},
		"--acme-root cannot be read":       {"--acme", publicName, "--acme-root", "/nowhere"},
		"--acme-root holds no certificate": {"--acme", publicName, "--acme-root", writeFile(t, "x")},
	} {
		out, err := secondgate(t, nil, append([]string{
			"serve", "--listen", "127.0.0.1:0", "--admin", "",
			"--backend", "sqlite:" + filepath.Join(t.TempDir(), "x.db"),
		}, flags...)...)
		require.Error(t, err, flags)
		require.Contains(t, out, says, flags)
	}
}
