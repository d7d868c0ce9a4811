package main

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"
)

// makeCertificate writes a pair for this machine, and returns who trusts it.
func makeCertificate(t *testing.T, dir string, serial int64) *x509.CertPool {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(
			serial,
		), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	for name, block := range map[string]*pem.Block{
		"cert.pem": {Type: "CERTIFICATE", Bytes: der}, "key.pem": {Type: "PRIVATE KEY", Bytes: private},
	} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600))
	}
	pool := x509.NewCertPool()
	require.True(t, pool.AppendCertsFromPEM(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	return pool
}

const demoPath = "/api/workspaces/demo/apps/demo/data"

// streams opens an event stream, writes, and reads the change from it: REST and SSE over whatever
// client speaks.
func streams(t *testing.T, client *http.Client, url, proto string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), "GET", url+demoPath+"/stream", nil)
	require.NoError(t, err)
	stream, err := client.Do(request)
	require.NoError(t, err)
	defer stream.Body.Close()
	require.Equal(t, proto, stream.Proto)
	require.Equal(t, "text/event-stream", stream.Header.Get("Content-Type"))
	answer, err := client.Post(
		url+demoPath, "application/json", strings.NewReader(`{"collection":"c","data":{"text":"over `+proto+`"}}`),
	)
	require.NoError(t, err)
	_ = answer.Body.Close()
	require.Equal(t, proto, answer.Proto)
	require.Equal(t, 201, answer.StatusCode)
	lines := bufio.NewScanner(stream.Body)
	for lines.Scan() {
		if strings.Contains(lines.Text(), `"over `+proto+`"`) {
			return
		}
	}
	require.Fail(t, "the change did not come", "%v", lines.Err())
}

func TestTLS(t *testing.T) { inModes(t, servesTLS) }

func servesTLS(t *testing.T, flags ...string) {
	dir := t.TempDir()
	trusted := makeCertificate(t, dir, 1)
	o := operate(
		t,
		nil,
		append(flags, "--tls-cert", filepath.Join(dir, "cert.pem"), "--tls-key", filepath.Join(dir, "key.pem"))...)
	require.True(t, strings.HasPrefix(o.url, "https://"), o.url)
	config := &tls.Config{RootCAs: trusted}
	for proto, second := range map[string]bool{"HTTP/1.1": false, "HTTP/2.0": true} {
		transport := &http.Transport{TLSClientConfig: config.Clone(), Protocols: new(http.Protocols)}
		transport.Protocols.SetHTTP1(!second)
		transport.Protocols.SetHTTP2(second)
		t.Run(proto, func(t *testing.T) { streams(t, &http.Client{Transport: transport}, o.url, proto) })
		transport.CloseIdleConnections()
	}
	t.Run("websocket", func(t *testing.T) {
		client := &http.Client{Transport: &http.Transport{TLSClientConfig: config.Clone()}}
		socket, _, err := websocket.Dial(t.Context(), o.url+demoPath+"/socket", &websocket.DialOptions{
			HTTPClient: client, HTTPHeader: http.Header{"Origin": {o.url}},
		})
		require.NoError(t, err)
		_, welcome, err := socket.Read(t.Context())
		require.NoError(t, err)
		require.Contains(t, string(welcome), "second:data:welcome")
		_ = socket.Close(websocket.StatusNormalClosure, "")
	})
	t.Run("websocket path over HTTP/2", func(t *testing.T) { // browsers ask for HTTP/1.1 by themselves
		transport := &http.Transport{TLSClientConfig: config.Clone(), Protocols: new(http.Protocols)}
		transport.Protocols.SetHTTP2(true)
		answer, err := (&http.Client{Transport: transport}).Get(o.url + demoPath + "/socket")
		require.NoError(t, err)
		_ = answer.Body.Close()
		require.Equal(t, http.StatusUpgradeRequired, answer.StatusCode)
	})
	t.Run("HTTP without TLS", func(t *testing.T) {
		answer, err := http.Get(strings.Replace(o.url, "https", "http", 1))
		require.NoError(t, err)
		_ = answer.Body.Close()
		require.Equal(t, 400, answer.StatusCode)
	})
}

func TestHTTP2WithoutTLS(t *testing.T) {
	o := operate(t, nil)
	transport := &http.Transport{Protocols: new(http.Protocols)}
	transport.Protocols.SetUnencryptedHTTP2(true)
	defer transport.CloseIdleConnections()
	streams(t, &http.Client{Transport: transport}, o.url, "HTTP/2.0")
}

func TestTLSFlags(t *testing.T) {
	out, err := secondgate(t, nil, "serve", "--tls-cert", "x.pem")
	require.Error(t, err)
	require.Contains(t, out, "--tls-cert and --tls-key go together")
	out, err = secondgate(t, nil, "serve", "--tls-cert", "x.pem", "--tls-key", "y.pem")
	require.Error(t, err)
	require.Contains(t, out, "the certificate cannot be used")
}

// A renewed certificate is served without a restart, and a broken one leaves the old one in place.
func TestCertificateRenewal(t *testing.T) {
	dir := t.TempDir()
	makeCertificate(t, dir, 1)
	c := &certificate{cert: filepath.Join(dir, "cert.pem"), key: filepath.Join(dir, "key.pem")}
	require.NoError(t, c.load())
	serial := func() int64 {
		c.looked = time.Time{} // as if the time between two looks had passed
		pair, err := c.get(nil)
		require.NoError(t, err)
		return pair.Leaf.SerialNumber.Int64()
	}
	later := time.Now()
	touch := func() {
		later = later.Add(time.Minute)
		require.NoError(t, os.Chtimes(c.cert, later, later))
	}
	require.EqualValues(t, 1, serial())
	makeCertificate(t, dir, 2)
	touch()
	require.EqualValues(t, 2, serial())
	require.NoError(t, os.WriteFile(c.key, []byte("half"), 0o600))
	touch()
	require.EqualValues(t, 2, serial())
	makeCertificate(t, dir, 3)
	touch()
	require.EqualValues(t, 3, serial())
}
