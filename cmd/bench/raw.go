package main

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
)

// rawWriter is the floor of fan-out: a program that writes each message to each client by one
// write(2), a goroutine for each core, and does nothing else. It runs as this binary with -raw.
type rawWriter struct {
	shards []chan []byte

	mu      sync.Mutex
	clients [][]net.Conn // by shard
	n       int
}

// serveRaw listens and prints where, then takes clients for ever. A client of the path /write sends
// the messages, one a line; all others get them.
func serveRaw() error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Printf("raw writer on http://%s/\n", l.Addr())
	cores := runtime.GOMAXPROCS(0)
	w := &rawWriter{shards: make([]chan []byte, cores), clients: make([][]net.Conn, cores)}
	for i := range w.shards {
		w.shards[i] = make(chan []byte, 1024)
		go w.write(i) // as long as the program
	}
	for {
		conn, err := l.Accept()
		if err != nil {
			return err
		}
		go w.take(conn) // ends with the connection
	}
}

func (w *rawWriter) take(conn net.Conn) {
	in := bufio.NewReaderSize(conn, 1<<20)
	request, err := http.ReadRequest(in)
	if err != nil {
		return
	}
	_, _ = conn.Write(
		[]byte("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"),
	)
	if request.URL.Path != "/write" {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.clients[w.n%len(w.clients)] = append(w.clients[w.n%len(w.clients)], conn)
		w.n++
		return
	}
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		frame := textFrame(strings.TrimSuffix(line, "\n"))
		for _, shard := range w.shards {
			shard <- frame
		}
	}
}

func (w *rawWriter) write(i int) {
	for frame := range w.shards[i] {
		w.mu.Lock()
		clients := w.clients[i]
		w.mu.Unlock()
		for _, c := range clients {
			_, _ = c.Write(frame) // one that has gone is the measurement's end
		}
	}
}

// textFrame is a frame from a server (RFC 6455, 5.2).
func textFrame(text string) []byte {
	frame := []byte{0x81}
	switch n := len(text); {
	case n < 126:
		frame = append(frame, byte(n))
	case n < 1<<16:
		frame = binary.BigEndian.AppendUint16(append(frame, 126), uint16(n))
	default:
		frame = binary.BigEndian.AppendUint64(append(frame, 127), uint64(n))
	}
	return append(frame, text...)
}

func startRaw() (*server, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	s, err := startCommand(exec.Command(self, "-raw"))
	if err == nil {
		s.raw = true
	}
	return s, err
}
