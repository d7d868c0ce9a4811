package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
)

// server is a gateway in a process of its own, so that its CPU can be told from the clients'.
type server struct {
	command *exec.Cmd
	url     string
}

func startServer(p *plan) (*server, error) {
	return startCommand(exec.Command(p.binary, "serve", "--listen", "127.0.0.1:0", "--backend", "sqlite:"+p.file(fmt.Sprint("gateway", serial.Add(1)))))
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
	return &server{command, strings.TrimSuffix(url, "/")}, nil
}

func (s *server) pid() int { return s.command.Process.Pid }

func (s *server) stop() error {
	if err := s.command.Process.Signal(os.Interrupt); err != nil {
		return err
	}
	return s.command.Wait()
}
