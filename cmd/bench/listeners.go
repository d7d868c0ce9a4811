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

// listeners are subscribers that only count: on a small machine they compute beside the server.
type listeners struct {
	way     *way
	conns   []net.Conn
	closed  chan struct{}
	running sync.WaitGroup
	got     atomic.Int64

	mu   sync.Mutex
	kept []net.Conn // to be kept alive
	late []float64  // ms, of some
}

// way is how listeners listen.
type way struct {
	open func(address string) (net.Conn, error)
	// marker stands once in each change. Its first byte is rare, or looking for it costs more than the delivery.
	marker []byte
	pongs  bool // the server wants to hear that they live
}

var (
	bySocket = &way{open: upgrade, marker: []byte(`second:data:change"`), pongs: true}
	byStream = &way{open: stream, marker: []byte("data: {")}
)

// stamp begins the time at which a document was written, in Unix nanoseconds.
var stamp = []byte(`"at":"`)

// listen opens n subscriptions, each at an address of its own; a hundred of them measure how late
// changes are.
func listen(by *way, n int, address func(i int) string) (*listeners, error) {
	l := &listeners{way: by, closed: make(chan struct{})}
	for i := range n {
		conn, err := by.open(address(i))
		if err != nil {
			l.close()
			return nil, err
		}
		l.conns = append(l.conns, conn)
		if by.pongs {
			l.keep(conn)
		}
		l.running.Go(func() { l.count(conn, i%max(n/100, 1) == 0) })
	}
	l.running.Go(l.live)
	return l, nil
}

// keep has a connection kept alive and closed with the listeners'.
func (l *listeners) keep(conn net.Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.kept = append(l.kept, conn)
}

// upgrade dials and shakes hands.
func upgrade(address string) (net.Conn, error) {
	return request(
		address, "HTTP/1.1 101",
		"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: "+
			"AAAAAAAAAAAAAAAAAAAAAA==\r\n",
	)
}

// stream dials and asks for events.
func stream(address string) (net.Conn, error) {
	return request(address, "HTTP/1.1 200", "Accept: text/event-stream\r\n")
}

// request reads not a byte more than the head of the answer.
func request(address, wanted, fields string) (net.Conn, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, err
	}
	conn, err := net.Dial("tcp", u.Host)
	if err != nil {
		return nil, err
	}
	_, err = fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: %s\r\n%s%s\r\n",
		u.RequestURI(), u.Host, credentialOf(u.Host), fields)
	var head []byte
	end := []byte("\r\n\r\n")
	for one := make([]byte, 1); err == nil && !bytes.HasSuffix(head, end); head = append(head, one[0]) {
		_, err = io.ReadFull(conn, one)
	}
	if err == nil && !bytes.HasPrefix(head, []byte(wanted)) {
		err = fmt.Errorf("%s answers %q", address, head)
	}
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return conn, nil
}

// say sends one text message, masked by zeros (RFC 6455, 5.3).
func say(conn net.Conn, text string) error {
	frame := textFrame(text)
	head := len(frame) - len(text)
	frame[1] |= 0x80
	masked := append(append(append([]byte{}, frame[:head]...), 0, 0, 0, 0), text...)
	_, err := conn.Write(masked)
	return err
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
		l.mu.Lock()
		for _, c := range l.kept {
			_, _ = c.Write(pong) // one that has gone is missed elsewhere
		}
		l.mu.Unlock()
	}
}

// count reads until the connection ends.
func (l *listeners) count(conn net.Conn, measures bool) {
	l.read(conn, func(seen []byte, found int) {
		l.got.Add(int64(found))
		if measures && found > 0 {
			l.measure(seen)
		}
	})
}

// read returns the next bytes and how many changes are in them. It finds a marker that two reads
// share in the rest of the first.
func (l *listeners) read(from io.Reader, tell func(seen []byte, found int)) {
	marker := l.way.marker
	buffer := make([]byte, 32<<10)
	kept := 0
	for {
		n, err := from.Read(buffer[kept:])
		if err != nil {
			return
		}
		seen := buffer[:kept+n]
		tell(seen, bytes.Count(seen, marker))
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
	_, p99 := l.lateness()
	return p99
}

// lateness is p50 and p99 of how late changes were since the last call, in ms.
func (l *listeners) lateness() (p50, p99 float64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	late := l.late
	l.late = nil
	if len(late) == 0 {
		return 0, 0
	}
	slices.Sort(late)
	return late[len(late)/2], late[len(late)*99/100]
}

// errShort: fewer changes came than were sent. A gateway has clients that are thousands of changes
// late list again, and sends the rest only. A gateway that loses changes looks the same here; the
// conformance suite tells them apart.
var errShort = errors.New("not all changes have come")

// await waits until all changes have come.
func (l *listeners) await(want int64) error {
	for end := time.Now().Add(20 * time.Second); l.got.Load() < want; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			return fmt.Errorf("%w: %d of %d", errShort, l.got.Load(), want)
		}
	}
	return nil
}

func (l *listeners) close() {
	close(l.closed)
	for _, c := range append(l.conns, l.kept...) {
		_ = c.Close()
	}
	l.running.Wait()
}
