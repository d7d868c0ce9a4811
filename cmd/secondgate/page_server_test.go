package main

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// server is the gateway's own binary, started as the README says in a directory of its own, for as
// long as it is not killed.
type server struct {
	*testing.T
	dir, binary string
	address     string // of the last start
	command     *exec.Cmd
}

// database is where the gateway keeps its file unless it is told otherwise, and what the page and
// the README name.
const database = "data/secondgate.db"

func newServer(t *testing.T) *server {
	t.Helper()
	dir := t.TempDir()
	s := &server{T: t, dir: dir, binary: filepath.Join(dir, "secondgate"), address: "127.0.0.1:0"}
	require.NoError(t, os.Symlink(built(t), s.binary))
	t.Cleanup(s.kill)
	s.start()
	return s
}

// start serves, on the same port as the time before, and returns when the address is known.
func (s *server) start() {
	s.Helper()
	s.command = exec.Command(s.binary, "serve", "--listen", s.address)
	s.command.Dir, s.command.Stderr = s.dir, os.Stderr
	stdout, err := s.command.StdoutPipe()
	require.NoError(s, err)
	require.NoError(s, s.command.Start())
	line, err := bufio.NewReader(stdout).ReadString('\n')
	require.NoError(s, err, "the gateway did not start")
	go func() { _, _ = io.Copy(io.Discard, stdout) }() // ends with the process
	_, at, found := strings.Cut(strings.TrimSpace(line), " on http://")
	require.True(s, found, line)
	s.address = strings.TrimSuffix(at, "/")
}

// kill ends the gateway at once: it gets no chance to say goodbye.
func (s *server) kill() {
	if s.command == nil {
		return
	}
	require.NoError(s, s.command.Process.Kill())
	_ = s.command.Wait() // killed: it says so
	s.command = nil
}

// shell runs a command as the page and the README print it.
func (s *server) shell(printed string) {
	s.Helper()
	require.Contains(s, printed, database)
	command := exec.Command("sh", "-c", printed)
	command.Dir = s.dir
	out, err := command.CombinedOutput()
	require.NoError(s, err, "%s\n%s", printed, out)
}
