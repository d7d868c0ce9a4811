package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"strings"
)

// server is a gateway in a process of its own, which keeps its CPU apart from the clients'.
type server struct {
	command  *exec.Cmd // nil: it runs without us
	url      string
	external int // its process then, 0 if it is not known
	raw      bool
}

// startServer starts a gateway of its own on an empty database; or takes the one that runs, if the
// plan names it.
func startServer(p *plan, flags ...string) (*server, error) {
	if p.url != "" {
		return &server{url: strings.TrimSuffix(p.url, "/"), external: p.pid}, nil
	}
	backend, err := p.over.url(context.Background())
	if err != nil {
		return nil, err
	}
	return startCommand(exec.Command(p.binary, append([]string{
		"serve", "--listen", "127.0.0.1:0", "--admin", "", "--log-level", "error", "--backend", backend,
	}, flags...)...))
}

// startCommand starts a program that prints where it listens.
func startCommand(command *exec.Cmd) (*server, error) {
	command.Stderr = os.Stderr
	stdout, err := command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := command.Start(); err != nil {
		return nil, fmt.Errorf("%s: %w (run make build first)", command.Path, err)
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		return nil, fmt.Errorf("the server did not start: %w", err)
	}
	go func() { _, _ = io.Copy(io.Discard, stdout) }() // ends with the process
	_, url, _ := strings.Cut(strings.TrimSpace(line), " on ")
	return &server{command: command, url: strings.TrimSuffix(url, "/")}, nil
}

// cpu is the time that the server has computed, in seconds; NaN if its process is not known.
func (s *server) cpu() (float64, error) {
	if s.process() == 0 {
		return math.NaN(), nil
	}
	return cpuOf(s.process())
}

// process is the server's number, 0 if it is not known.
func (s *server) process() int {
	if s.command == nil {
		return s.external
	}
	return s.command.Process.Pid
}

func (s *server) stop() error {
	if s.command == nil {
		return nil
	}
	if s.raw { // it serves for ever
		err := s.command.Process.Kill()
		_ = s.command.Wait() // killed: that is no news
		return err
	}
	if err := s.command.Process.Signal(os.Interrupt); err != nil {
		return err
	}
	return s.command.Wait()
}
