package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/backends/mongodb/mongodbtest"
	"github.com/secondgate/secondgate/backends/postgres/postgrestest"
	"github.com/secondgate/secondgate/conformance/client"
)

// canaries are secrets that must be nowhere, by what they are.
type canaries map[string]string

// places are the texts in which no secret may be, by what they are.
type places map[string][]byte

// found names each secret that a place has.
func (s canaries) found(in places) (all []string) {
	for place, text := range in {
		for what, secret := range s {
			if bytes.Contains(text, []byte(secret)) {
				all = append(all, what+" in "+place)
			}
		}
	}
	return all
}

// TestSecretsAreNowhere: after sockets, streams, tickets, refusals and outages with secrets in all
// of them, no log, metric, profile, trace, error, answer or byte of the database has one. Passwords
// of databases are in secret_test.go.
func TestSecretsAreNowhere(t *testing.T) {
	t.Parallel()
	for _, run := range []struct {
		mode, database string
		open           func(t *testing.T) stored
	}{
		{"jwt", "SQLite", storedBySQLite},
		{"forward", "SQLite", storedBySQLite},
		{"jwt", "PostgreSQL", storedByPostgres},
		{"jwt", "MongoDB", storedByMongoDB},
	} {
		t.Run(run.mode+" over "+run.database, func(t *testing.T) {
			t.Parallel()
			testSecrets(t, run.mode, run.open(t))
		})
	}
}

// stored is a database, and how all that is in it is read. Without read it is the files beside the gateway.
type stored struct {
	backend string
	read    func() []byte
}

func storedBySQLite(*testing.T) stored { return stored{} }

func storedByPostgres(t *testing.T) stored {
	url, file := postgrestest.Schema(t), filepath.Join(t.TempDir(), "dump.sql")
	return stored{url, func() []byte {
		postgrestest.Dump(t, url, file)
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		return text
	}}
}

func storedByMongoDB(t *testing.T) stored {
	url := mongodbtest.Database(t)
	return stored{url, func() []byte {
		all, err := mongodbtest.ReadCopy(
			t.Context(),
			mongodbtest.Client(t, url).Database(mongodbtest.NameOf(url)),
		)
		require.NoError(t, err)
		return all.Bytes()
	}}
}

func testSecrets(t *testing.T, mode string, database stored) {
	c := &secretRun{T: t, secrets: canaries{}, places: places{}, database: database}
	c.start(mode)
	c.use()
	c.collect()
	bytesSeen := 0
	for _, text := range c.places {
		bytesSeen += len(text)
	}
	t.Logf("%d secrets, %d places, %d bytes looked at", len(c.secrets), len(c.places), bytesSeen)
	require.Empty(t, c.secrets.found(c.places))
	require.Contains(t, string(c.places["the database"]), "a-document-of-crm", "the database was read")
	require.Contains(t, string(c.places["the log"]), "level=", "the log was read")
	leak := places{"a planted log": append([]byte("token="), c.secrets["the token"]...)}
	require.Equal(t, []string{"the token in a planted log"}, c.secrets.found(leak), "a leak is noticed")
}

// secretRun is a gateway that is given secrets.
type secretRun struct {
	*testing.T
	*operated
	database stored
	secrets  canaries
	places   places
	headers  []string
	answers  bytes.Buffer
}

func (c *secretRun) start(mode string) {
	secret := "canary-jwt-secret-0123456789abcdefghij"
	admin := "canary-admin-token-0123456789abcdefghij"
	file := writeFile(c.T, secret+"\n")
	flags := []string{
		"--log-level",
		"debug",
		"--admin-token-file",
		writeFile(c.T, admin),
		"--heartbeat",
		"1s",
	}
	c.secrets["the secret of tokens"], c.secrets["the admin token"] = secret, admin
	if mode == "jwt" {
		flags = append(append(flags, "--auth", "jwt", "--jwt-secret-file", file), forTokens...)
		token := adasToken(c.T, "--jwt-secret-file", file)
		c.secrets["the token"] = token
		c.headers = []string{"Authorization: Bearer " + token}
	} else {
		hook := serveHook(c.T)
		flags = append(flags, "--auth", "forward="+hook)
		c.secrets["the token"], c.secrets["the cookie"] = "canary-basic-dXNlcjpwYXNz", "canary-session-cookie"
		c.headers = []string{
			"Authorization: Basic canary-basic-dXNlcjpwYXNz", "Cookie: session=canary-session-cookie",
		}
	}
	if c.database.backend != "" {
		flags = append(flags, "--backend", c.database.backend)
	}
	c.operated = operate(c.T, nil, flags...)
}

// serveHook lets everybody with the cookie in, but for those who refresh.
func serveHook(t *testing.T) string {
	t.Helper()
	return serveHTTP(t, func(w http.ResponseWriter, r *http.Request) {
		if cookie, err := r.Cookie("session"); err != nil || cookie.Value != "canary-session-cookie" ||
			strings.HasPrefix(r.Header.Get("Authorization"), "Bearer") {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		_, _ = io.WriteString(w, `{"user":{"id":"ada"},"workspaceRole":"member","appRole":"creator"}`)
	})
}

// serveHTTP serves for the length of the test.
func serveHTTP(t *testing.T, handler http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.URL
}

// use has the gateway take the secrets by every way in, and in places where they must not be.
func (c *secretRun) use() {
	c.ask("POST", client.DataURL(c.url, crm, ""), `{"collection":"c","data":{"n":"a-document-of-crm"}}`, 201)
	ticket := c.ask("POST", client.DataURL(c.url, crm, "ticket"), "", 200)
	text := regexp.MustCompile(`"ticket":"([A-Z2-7]+)"`).FindStringSubmatch(ticket)
	require.NotNil(c.T, text, ticket)
	c.secrets["the ticket"] = text[1]
	c.answers.Reset() // which had the ticket, as it must
	c.dial("ticket", text[1])
	_, err := client.Dial(c.T.Context(), client.URL(c.url, crm, "ticket", text[1]))
	require.Error(c.T, err, "it was used")
	c.spoil(c.secrets["the token"])
	unused := regexp.MustCompile(`"ticket":"([A-Z2-7]+)"`).FindStringSubmatch(
		c.ask("POST", client.DataURL(c.url, crm, "ticket"), "", 200))
	c.secrets["the ticket that nobody used"] = unused[1]
	c.answers.Reset()
}

// spoil sends a token where it is refused.
func (c *secretRun) spoil(token string) {
	for _, url := range []string{
		client.DataURL(c.url, crm, "", "token", token),
		client.DataURL(c.url, crm, "", "collection", "c", "access_token", token),
		client.DataURL(c.url, crm, token), client.StreamURL(c.url, crm, "ticket", token), c.url + "/" + token,
		c.url + "/api/" + token,
	} {
		a, err := client.Do(c.T.Context(), "GET", url, "", c.headers...)
		require.NoError(c.T, err)
		require.GreaterOrEqual(c.T, a.Status, 400, url)
		c.answers.WriteString(a.Body)
	}
	for _, header := range []string{
		"Authorization: Bearer " + token + "x", "Authorization: " + token, "Cookie: x=" + token,
	} {
		a, err := client.Do(c.T.Context(), "GET", client.DataURL(c.url, crm, ""), "", header)
		require.NoError(c.T, err)
		require.GreaterOrEqual(c.T, a.Status, 400)
		c.answers.WriteString(a.Body)
	}
}

func (c *secretRun) ask(method, url, body string, want int) string {
	c.T.Helper()
	a, err := client.Do(c.T.Context(), method, url, body, c.headers...)
	require.NoError(c.T, err)
	require.Equal(c.T, want, a.Status, a.Body)
	c.answers.WriteString(a.Body)
	return a.Body
}

// dial opens a socket, refreshes with a token that is not good, and reads to the end.
func (c *secretRun) dial(parameters ...string) {
	ctx, cancel := context.WithTimeout(c.T.Context(), time.Minute)
	defer cancel()
	socket, err := client.Dial(ctx, client.URL(c.url, crm, parameters...))
	require.NoError(c.T, err)
	defer socket.Cut()
	c.secrets["a refresh that is refused"] = "canary-refresh-that-is-refused"
	require.NoError(c.T, socket.SendText(ctx,
		[]byte(`{"type":"second:auth:refresh","requestId":"r","token":"canary-refresh-that-is-refused"}`)))
	for {
		frame, err := socket.NextFrame(ctx)
		if err != nil {
			fmt.Fprint(&c.answers, err)
			return
		}
		c.answers.Write(frame)
	}
}

// collect reads everything that the gateway has printed, answered and stored.
func (c *secretRun) collect() {
	admin := []string{"Bearer " + c.secrets["the admin token"]}
	for _, path := range []string{
		"/metrics", "/debug/pprof/goroutine?debug=2", "/debug/pprof/heap?debug=1", "/debug/pprof/cmdline", "/readyz",
		"/debug/pprof/trace?seconds=1",
	} {
		_, body := c.asOperator(path, admin)
		c.places[path] = []byte(body)
	}
	c.terminate()
	require.NoError(c.T, c.command.Wait())
	c.places["the log"] = []byte(c.log.String())
	c.places["stdout"] = []byte(c.first)
	c.places["answers"] = c.answers.Bytes()
	if c.database.read != nil {
		c.places["the database"] = c.database.read()
		return
	}
	require.NoError(c.T, filepath.WalkDir(c.command.Dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		c.places["the database"] = append(c.places["the database"], text...)
		return err
	}))
}
