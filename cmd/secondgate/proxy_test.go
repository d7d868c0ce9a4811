package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"
)

// proxied is nginx with the configuration of docs/operations.md in front of a gateway.
type proxied struct {
	*testing.T
	gateway *operated
	url     string
	client  *http.Client
}

const publicName = "app.example.com"

var nginxBlock = regexp.MustCompile("(?s)```nginx\n(.*?)```")

func startNginx(t *testing.T, flags ...string) *proxied {
	t.Helper()
	address := freeAddress(t)
	host := publicName + address[strings.LastIndex(address, ":"):]
	o := operate(t, nil, append(flags, "--allowed-host", host, "--allowed-origin", "https://"+host)...)
	dir := t.TempDir()
	pool := makeCertificate(t, dir, 1)
	runNginx(t, dir, address, o.url)
	dial := &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: pool, ServerName: "127.0.0.1"}, Protocols: new(http.Protocols),
		DialContext: toAddress(address),
	}
	dial.Protocols.SetHTTP1(true)
	t.Cleanup(dial.CloseIdleConnections)
	return &proxied{t, o, "https://" + host, &http.Client{Transport: dial}}
}

// runNginx runs nginx with the configuration of docs/operations.md, at an address of its own, with the
// certificate in dir, in front of a gateway.
func runNginx(t *testing.T, dir, address, gateway string) {
	t.Helper()
	block := nginxBlock.FindStringSubmatch(operations(t))
	require.NotNil(t, block, "docs/operations.md has no configuration of nginx")
	site := strings.NewReplacer(
		"listen 443 ssl http2;",
		"listen "+address+" ssl http2; ssl_certificate "+dir+"/cert.pem; ssl_certificate_key "+dir+"/key.pem;",
		"http://127.0.0.1:8080",
		gateway,
	).Replace(block[1])
	require.NotContains(
		t, site, "listen 443", "the line that is replaced",
	) // other numbers, such as that of the directory, may have 443 in them
	config := "daemon off; worker_processes 1; pid " + dir + "/pid; error_log " + dir + "/error.log;\nevents {}\nhttp {\naccess_log off;\n"
	for _, kind := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		config += kind + "_temp_path " + dir + "/" + kind + ";\n"
	}
	path := filepath.Join(dir, "nginx.conf")
	require.NoError(t, os.WriteFile(path, []byte(config+site+"}\n"), 0o600))
	command := exec.Command("nginx", "-c", path, "-p", dir)
	command.Stderr = os.Stderr
	require.NoError(t, command.Start(), "ci/setup.sh installs nginx")
	t.Cleanup(func() {
		_ = command.Process.Signal(os.Interrupt)
		_ = command.Wait()
	})
	require.Eventually(t, func() bool {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	}, time.Minute, 20*time.Millisecond)
}

func (p *proxied) ask(method, path, body string) (int, string, http.Header) {
	p.Helper()
	request, err := http.NewRequestWithContext(p.Context(), method, p.url+path, strings.NewReader(body))
	require.NoError(p, err)
	request.Header.Set("Origin", p.url)
	request.Header.Set("Content-Type", "application/json")
	if body == "" {
		request.Body = http.NoBody
	}
	answer, err := p.client.Do(request)
	require.NoError(p, err)
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	require.NoError(p, err)
	return answer.StatusCode, string(text), answer.Header
}

// TestNginx: REST, streams and sockets work through the configuration that the documentation gives,
// a change comes at once, and a gateway that is away breaks no EventSource.
func TestNginx(t *testing.T) { inModes(t, behindNginx) }

func behindNginx(t *testing.T, flags ...string) {
	p := startNginx(t, flags...)
	status, body, _ := p.ask("POST", demoPath, `{"collection":"c","docId":"one","data":{"n":1}}`)
	require.Equal(t, 201, status, body)
	status, body, _ = p.ask(
		"POST", demoPath, `{"collection":"c","data":{"pad":"`+strings.Repeat("x", 5<<20)+`"}}`,
	)
	require.Equal(t, 413, status)
	require.Contains(t, body, `"too_large"`, "the gateway's limit, not the proxy's")
	status, body, _ = p.ask("GET", demoPath+"/a%2F%2e%2e%2Fb?collection=c", "")
	require.Equal(t, 404, status)
	require.Contains(t, body, `a/../b`, "the path goes on as it came")

	stream, err := p.client.Get(p.url + demoPath + "/stream")
	require.NoError(t, err)
	require.Equal(t, "text/event-stream", stream.Header.Get("Content-Type"))
	socket, _, err := websocket.Dial(t.Context(), p.url+demoPath+"/socket", &websocket.DialOptions{
		HTTPClient: p.client, HTTPHeader: http.Header{"Origin": {p.url}},
	})
	require.NoError(t, err)
	_, welcome, err := socket.Read(t.Context())
	require.NoError(t, err)
	require.Contains(t, string(welcome), "welcome")

	status, body, _ = p.ask("PATCH", demoPath+"/one", `{"collection":"c","data":{"n":2}}`)
	require.Equal(t, 200, status, body)
	_, change, err := socket.Read(t.Context())
	require.NoError(t, err)
	require.Contains(t, string(change), `"n":2`)
	lines := bufio.NewScanner(stream.Body)
	for lines.Scan() && !strings.Contains(lines.Text(), `"n":2`) {
	}
	require.NoError(t, lines.Err(), "the change did not come")
	_ = stream.Body.Close()
	_ = socket.CloseNow()

	require.NoError(t, p.gateway.command.Process.Kill())
	_ = p.gateway.command.Wait()
	status, body, header := p.ask("GET", demoPath+"/stream", "")
	require.Equal(t, 200, status, "EventSource would give up for good")
	require.Equal(t, "retry: 1000\n\n", body)
	require.Equal(t, "text/event-stream", header.Get("Content-Type"))
	status, body, header = p.ask("GET", demoPath+"?collection=c", "")
	require.Equal(t, 503, status)
	require.Contains(t, body, `"error":"unavailable"`)
	require.Equal(t, "1", header.Get("Retry-After"))
}

// TestNginxNamesClients: the configuration has nginx say which address a client has, so that clients do not
// share nginx's.
func TestNginxNamesClients(t *testing.T) {
	t.Parallel()
	p := startNginx(t, "--trusted-proxy", "127.0.0.1", "--connections-per-address", "1")
	stream, err := p.client.Get(p.url + demoPath + "/stream")
	require.NoError(t, err)
	defer stream.Body.Close()
	line, err := bufio.NewReader(stream.Body).ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "retry: 1000\n", line, "it is served")
	status, body, _ := p.ask("GET", demoPath+"/stream", "")
	require.Equal(t, 200, status)
	require.Regexp(t, `^retry: \d{4}\n\n$`, body, "there is one of this address already")
}

// freeAddress is one that nobody listened on a moment ago.
func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	return listener.Addr().String()
}

// toAddress dials the same address whatever the name.
func toAddress(address string) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, address)
	}
}
