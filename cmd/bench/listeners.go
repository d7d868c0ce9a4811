package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// listeners are subscribers that do no more than count what comes: on a small machine they compute beside the server.
type listeners struct {
	conns   []net.Conn
	closed  chan struct{}
	running sync.WaitGroup
	got     atomic.Int64

	mu   sync.Mutex
	late []float64 // ms, of some
}

var marker = []byte(`"second:data:change"`)

// stamp begins the time at which a document was written, in Unix nanoseconds.
var stamp = []byte(`"at":"`)

// listen opens n subscriptions at an address; every hundredth measures how late changes are.
func listen(address string, n int) (*listeners, error) {
	l := &listeners{closed: make(chan struct{})}
	for i := range n {
		conn, err := upgrade(address)
		if err != nil {
			l.close()
			return nil, err
		}
		l.conns = append(l.conns, conn)
		l.running.Go(func() { l.count(conn, i%100 == 0) })
	}
	l.running.Go(l.live)
	return l, nil
}

// live sends pongs, unasked, often enough to be taken for alive: pings go unread.
func (l *listeners) live() {
	pong := []byte{0x8a, 0x80, 0, 0, 0, 0} // empty and masked (RFC 6455, 5.2)
	for {
		select {
		case <-l.closed:
			return
		case <-time.After(20 * time.Second):
		}
		for _, c := range l.conns {
			_, _ = c.Write(pong) // one that has gone is missed elsewhere
		}
	}
}

// upgrade dials and shakes hands, reading not a byte more than the answer.
func upgrade(address string) (net.Conn, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, err
	}
	conn, err := net.Dial("tcp", u.Host)
	if err != nil {
		return nil, err
	}
	_, err = fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n", u.RequestURI(), u.Host)
	var head []byte
	for one := make([]byte, 1); err == nil && !bytes.HasSuffix(head, []byte("\r\n\r\n")); head = append(head, one[0]) {
		_, err = io.ReadFull(conn, one)
	}
	if err == nil && !bytes.HasPrefix(head, []byte("HTTP/1.1 101")) {
		err = fmt.Errorf("%s answers %q", address, head)
	}
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return conn, nil
}

// count reads until the connection ends. A marker that two reads share is found in what the first has left.
func (l *listeners) count(conn net.Conn, measures bool) {
	buffer := make([]byte, 32<<10)
	kept := 0
	for {
		n, err := conn.Read(buffer[kept:])
		if err != nil {
			return
		}
		seen := buffer[:kept+n]
		found := bytes.Count(seen, marker)
		l.got.Add(int64(found))
		if measures && found > 0 {
			l.measure(seen)
		}
		kept = 0
		if rest := len(marker) - 1; len(seen) >= rest && !bytes.HasSuffix(seen, marker) {
			kept = copy(buffer, seen[len(seen)-rest:])
		}
	}
}

func (l *listeners) measure(seen []byte) {
	at := bytes.LastIndex(seen, stamp)
	if at < 0 {
		return
	}
	text, _, ok := bytes.Cut(seen[at+len(stamp):], []byte(`"`))
	nanos, err := strconv.ParseInt(string(text), 10, 64)
	if !ok || err != nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.late = append(l.late, float64(time.Now().UnixNano()-nanos)/1e6)
}

// p99 is how late changes were since the last call, in ms.
func (l *listeners) p99() float64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	late := l.late
	l.late = nil
	if len(late) == 0 {
		return 0
	}
	slices.Sort(late)
	return late[len(late)*99/100]
}

// await waits until all changes have come.
func (l *listeners) await(want int64) error {
	for end := time.Now().Add(20 * time.Second); l.got.Load() < want; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			return fmt.Errorf("%d of %d changes have come", l.got.Load(), want)
		}
	}
	return nil
}

func (l *listeners) close() {
	close(l.closed)
	for _, c := range l.conns {
		_ = c.Close()
	}
	l.running.Wait()
}
