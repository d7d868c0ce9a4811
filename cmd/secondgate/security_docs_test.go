package main

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var shellBlock = regexp.MustCompile("(?s)```sh\n(.*?)```")

// commandsOf are the commands of a section of docs/security.md, as they stand.
func commandsOf(t *testing.T, heading string) string {
	t.Helper()
	_, section, found := strings.Cut(read(t, "docs", "security.md"), "\n## "+heading)
	require.True(t, found, heading)
	section, _, _ = strings.Cut(section, "\n## ")
	blocks := []string{}
	for _, b := range shellBlock.FindAllStringSubmatch(section, -1) {
		blocks = append(blocks, b[1])
	}
	require.NotEmpty(t, blocks, "%s has no commands", heading)
	return strings.Join(blocks, "")
}

// hosted is a shell in a directory of its own, as somebody who reads docs/security.md has it.
type hosted struct {
	*testing.T
	dir    string
	listen string // the address of the gateway
	env    []string
	out    *lockedBuffer
}

func newHosted(t *testing.T) *hosted {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.Symlink(built(t), filepath.Join(dir, "secondgate")))
	h := &hosted{T: t, dir: dir, listen: freeAddress(t), out: &lockedBuffer{}}
	h.env = append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"), "CURL_HOME="+dir,
		"SECONDGATE_LISTEN="+h.listen, "SECONDGATE_ADMIN="+freeAddress(t))
	return h
}

// runs has a shell run commands until their output has all of these, and ends all that they have started.
func (h *hosted) runs(commands string, until ...string) {
	h.Helper()
	shell := exec.Command("bash", "-c", commands+"\nwait")
	shell.Dir, shell.Env, shell.Stdout, shell.Stderr = h.dir, h.env, h.out, h.out
	shell.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	require.NoError(h, shell.Start())
	defer func() {
		_ = syscall.Kill(-shell.Process.Pid, syscall.SIGKILL) // the group is this test's own
		_ = shell.Wait()                                      // it was killed
	}()
	for _, text := range until {
		require.Eventually(h, func() bool { return strings.Contains(h.out.String(), text) },
			3*time.Minute, 20*time.Millisecond, "the commands print %s", text)
	}
}

// TestSecurityDocsJWT: the commands of the mode jwt behind nginx, as they stand, from no secret to the first
// live change. Only the ports are other ones.
func TestSecurityDocsJWT(t *testing.T) {
	t.Parallel()
	h := newHosted(t)
	public := freeAddress(t)
	certificate := exec.Command("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
		"-nodes", "-days", "2", "-subj", "/CN="+publicName, "-addext", "subjectAltName=DNS:"+publicName,
		"-keyout", "key.pem", "-out", "cert.pem")
	certificate.Dir = h.dir
	out, err := certificate.CombinedOutput()
	require.NoError(t, err, string(out))
	runNginx(t, h.dir, public, "http://"+h.listen)
	curlrc := fmt.Sprintf("connect-to = \"%s:443:%s\"\ncacert = \"%s/cert.pem\"\n", publicName, public, h.dir)
	require.NoError(t, os.WriteFile(filepath.Join(h.dir, ".curlrc"), []byte(curlrc), 0o600))
	h.runs(commandsOf(t, "`--auth jwt`"), `data: {"type":"insert","collection":"todos","doc":{`, `{"doc":{`)
	secret, err := os.Stat(filepath.Join(h.dir, "jwt.secret"))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), secret.Mode().Perm())
}

// TestSecurityDocsModes: the commands of the other modes, as they stand but for the ports.
func TestSecurityDocsModes(t *testing.T) {
	t.Parallel()
	for heading, app := range map[string]func(*testing.T) string{
		"`--auth none`":        freeAddress,
		"`--auth forward=URL`": freeAddress, // the commands start it
		"`--auth second=URL`": func(t *testing.T) string {
			return strings.TrimPrefix(serveSecond(t), "http://")
		},
	} {
		t.Run(heading, func(t *testing.T) {
			t.Parallel()
			h := newHosted(t)
			commands := strings.NewReplacer("127.0.0.1:3000", app(t), "127.0.0.1:8080", h.listen).
				Replace(commandsOf(t, heading))
			if strings.Contains(commands, "go run ./examples") { // it stands in a checkout
				program := filepath.Join(h.dir, "hook")
				out, err := exec.Command("go", "build", "-o", program, "../../examples/access-hook").CombinedOutput()
				require.NoError(t, err, string(out))
				commands = strings.Replace(commands, "go run ./examples/access-hook", "./hook", 1)
			}
			h.runs(commands, `{"docs":[]}`)
		})
	}
}

// serveSecond answers as a web app of Second does, to one session.
func serveSecond(t *testing.T) string {
	t.Helper()
	return serveHTTP(t, func(w http.ResponseWriter, r *http.Request) {
		if cookie, err := r.Cookie("session"); err != nil || cookie.Value != "ada-session" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		_, _ = w.Write([]byte(`{"docs":[]}`))
	})
}
