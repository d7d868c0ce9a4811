package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// builtIn is where the gateway's binary is, for as long as the tests run: see TestMain.
var builtIn string

// buildOnce builds the binary as this test is built: with the race detector, if this has it.
var buildOnce = sync.OnceValues(func() (string, error) {
	binary := filepath.Join(builtIn, "secondgate")
	command := exec.Command("go", "build", fmt.Sprintf("-race=%v", raceEnabled), "-o", binary, ".")
	if out, err := command.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return binary, nil
})

// built is the gateway's binary, built once for all tests.
func built(t *testing.T) string {
	t.Helper()
	binary, err := buildOnce()
	require.NoError(t, err)
	return binary
}

// operated is a gateway with an admin address, run as an operator would.
type operated struct {
	*testing.T
	command    *exec.Cmd
	url, admin string
	first      string // line on stdout
	log        *lockedBuffer
}

// lockedBuffer takes a process's log while it is read.
type lockedBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

var adminURL = regexp.MustCompile(`admin server is up",? ?"?url"?[=:]"?(http://[^/]+)/`)

// operate starts a gateway on free ports, in a directory of its own.
func operate(t *testing.T, environment []string, args ...string) *operated {
	t.Helper()
	o := &operated{T: t, log: &lockedBuffer{}}
	o.command = exec.Command(
		built(t),
		append([]string{"serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"}, args...)...)
	o.command.Dir, o.command.Stderr = t.TempDir(), o.log
	o.command.Env = append(os.Environ(), environment...)
	stdout, err := o.command.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, o.command.Start())
	t.Cleanup(func() {
		_ = o.command.Process.Kill()
		_ = o.command.Wait()
	})
	o.first, err = bufio.NewReader(stdout).ReadString('\n')
	require.NoError(t, err, o.log.String())
	_, at, found := strings.Cut(strings.TrimSpace(o.first), " on ")
	require.True(t, found, o.first)
	o.url = strings.TrimSuffix(at, "/")
	if off := slices.Index(args, "--admin"); off >= 0 ||
		slices.Contains(environment, "SECONDGATE_LOG_LEVEL=error") {
		return o // there is none, or it is not logged
	}
	require.Eventually(t, func() bool { // the log comes by another pipe than the line above
		found := adminURL.FindStringSubmatch(o.log.String())
		if found != nil {
			o.admin = found[1]
		}
		return found != nil
	}, time.Minute, 5*time.Millisecond)
	return o
}

func (o *operated) get(path string) (int, string) {
	o.Helper()
	response, err := http.Get(o.admin + path)
	require.NoError(o, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	require.NoError(o, err)
	return response.StatusCode, string(body)
}

// metric is a sample's value as /metrics has it now, by its whole name with labels.
func (o *operated) metric(name string) float64 {
	o.Helper()
	_, text := o.get("/metrics")
	for line := range strings.Lines(text) {
		if value, found := strings.CutPrefix(strings.TrimSpace(line), name+" "); found {
			n, err := strconv.ParseFloat(value, 64)
			require.NoError(o, err, line)
			return n
		}
	}
	o.Fatalf("there is no metric %s", name)
	return 0
}

// becomes waits until a metric has a value.
func (o *operated) becomes(name string, want float64) {
	o.Helper()
	require.Eventually(
		o, func() bool { return o.metric(name) == want }, time.Minute, 20*time.Millisecond, "%s is %v", name,
		o.metric(name),
	)
}

func (o *operated) terminate() { require.NoError(o, o.command.Process.Signal(syscall.SIGTERM)) }

// secondgate runs a command that ends.
func secondgate(t *testing.T, environment []string, args ...string) (string, error) {
	t.Helper()
	command := exec.Command(built(t), args...)
	command.Dir, command.Env = t.TempDir(), append(os.Environ(), environment...)
	out, err := command.CombinedOutput()
	return string(out), err
}
