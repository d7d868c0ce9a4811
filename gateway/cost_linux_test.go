package gateway_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/netip"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/backends/model"
	"github.com/secondgate/secondgate/conformance/client"
	"github.com/secondgate/secondgate/protocol"
)

// What a delivery and an idle subscriber cost is not a matter of time, so it is a test; what is
// one, cmd/bench measures. None of these tests is parallel: they count for the whole process.

// TestDeliveryAllocatesNothing: what is allocated for a change does not grow with the number of its
// followers.
func TestDeliveryAllocatesNothing(t *testing.T) {
	if testing.Short() {
		t.Log("the race detector allocates too, and plain sockets may")
		return
	}
	for name, request := range map[string]func(url string) string{"socket": handshake, "stream": streamRequest} {
		t.Run(name, func(t *testing.T) {
			b := model.New(model.Options{PreImage: -1, Break: -1})
			url := serve(t, b)
			few, many := 10, 1010
			f := &followers{t: t, b: b}
			f.join(few, request(url))
			base := math.Inf(1)
			for range 5 {
				base = min(base, f.allocations())
			}
			f.join(many-few, request(url))
			// What else the process does adds allocations to a round and never takes any away: one
			// round without an allocation for a delivery shows that none is needed. With one for
			// each, every round has it.
			least := math.Inf(1)
			for end := time.Now().Add(2 * time.Minute); least > 0.01 && time.Now().Before(end); {
				least = min(least, (f.allocations()-base)/measuredWrites/float64(many-few))
			}
			t.Logf("%.4f allocations for a delivery more", least)
			require.LessOrEqual(t, least, 0.01)
		})
	}
}

// measuredWrites is how many changes allocations are counted over.
const measuredWrites = 30

// followers read what they are sent and count the marks in it: each document has one.
type followers struct {
	t     *testing.T
	b     backends.Backend
	marks []*atomic.Int64
}

const mark = '~'

func (f *followers) join(n int, request string) {
	f.t.Helper()
	host := request[strings.Index(request, "Host: ")+6:]
	host = host[:strings.Index(host, "\r\n")]
	for range n {
		conn, err := net.Dial("tcp", host)
		require.NoError(f.t, err)
		f.t.Cleanup(func() { _ = conn.Close() })
		_, err = io.WriteString(conn, request)
		require.NoError(f.t, err)
		marks := new(atomic.Int64)
		f.marks = append(f.marks, marks)
		buffer := make([]byte, 4<<10)
		go func() { // ends with the connection
			for {
				n, err := conn.Read(buffer)
				marks.Add(int64(bytes.Count(buffer[:n], []byte{mark})))
				if err != nil {
					return
				}
			}
		}()
	}
	f.write(100) // until every buffer is as large as it gets
}

// write writes n documents, one after the other, and waits each time until all followers have been
// sent it.
func (f *followers) write(n int) {
	f.t.Helper()
	for range n {
		before := make([]int64, len(f.marks))
		for i, marks := range f.marks {
			before[i] = marks.Load()
		}
		_, err := backends.WriteOne(context.Background(), f.b, backends.Tx{
			Scope: here, At: protocol.Millis(time.Now()),
			Writes: []backends.Write{{
				Op: backends.Insert, Collection: "c", ID: protocol.NewID(time.Now()),
				Data: []byte(`{"text":"` + string(mark) + strings.Repeat("x", 250) + `"}`),
			}},
		})
		require.NoError(f.t, err)
		end := time.Now().Add(time.Minute)
		for i, marks := range f.marks {
			for marks.Load() == before[i] {
				require.True(f.t, time.Now().Before(end), "a follower has not been sent a change")
				runtime.Gosched()
			}
		}
	}
}

// allocations is what a round of writes allocates in the whole process.
func (f *followers) allocations() float64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f.write(measuredWrites)
	runtime.ReadMemStats(&after)
	return float64(after.Mallocs) - float64(before.Mallocs)
}

// TestIdleSubscriberIsSmall: what lives for a subscriber that hears nothing, heap and stacks
// together. The process takes more, for garbage: cmd/bench measures that.
func TestIdleSubscriberIsSmall(t *testing.T) {
	if testing.Short() {
		t.Log("the race detector and plain sockets need more")
		return
	}
	const n = 1000
	for name, c := range map[string]struct {
		request func(url string) string
		most    int // bytes
	}{"socket": {handshake, 7 << 10}, "stream": {streamRequest, 9 << 9}} {
		t.Run(name, func(t *testing.T) {
			url := serve(t, model.New(model.Options{PreImage: -1, Break: -1}))
			before := living()
			for range n {
				t.Cleanup(bareClient(t, url, c.request(url)))
			}
			var each int
			small := assert.Eventually(t, func() bool { // what the handshakes leave behind goes by and by
				each = (living() - before) / n
				return each <= c.most
			}, time.Minute, 100*time.Millisecond)
			t.Logf("%d bytes each", each)
			require.True(t, small)
			require.Greater(t, each, 1000, "they are not there")
		})
	}
}

// living is what the collector finds alive, stacks included, in bytes.
func living() int {
	runtime.GC()
	runtime.GC() // pools let go at the second
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc + m.StackInuse)
}

// bareClient connects by system calls alone, so that this process has nothing but a descriptor of
// it; it returns what closes it.
func bareClient(t *testing.T, url, request string) (end func()) {
	t.Helper()
	at := netip.MustParseAddrPort(strings.TrimPrefix(url, "http://"))
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	require.NoError(t, err)
	require.NoError(t, syscall.Connect(fd, &syscall.SockaddrInet4{Port: int(at.Port()), Addr: at.Addr().As4()}))
	_, err = syscall.Write(fd, []byte(request))
	require.NoError(t, err)
	var head [4 << 10]byte
	n, err := syscall.Read(fd, head[:])
	require.NoError(t, err)
	require.Regexp(t, "^HTTP/1.1 (101|200)", string(head[:n]))
	return func() { _ = syscall.Close(fd) }
}

// TestListIsLittleMoreThanItsDocuments: a list over REST and over the socket is no tenth longer
// than the JSON of its documents.
func TestListIsLittleMoreThanItsDocuments(t *testing.T) {
	url := serve(t, model.New(model.Options{PreImage: -1, Break: -1}))
	ctx := t.Context()
	c, err := client.Dial(ctx, client.URL(url, here, "changes", "none"))
	require.NoError(t, err)
	defer c.Cut()
	for i := range 3000 {
		_, err := c.Call(
			ctx,
			protocol.Request{
				Type: protocol.TypeInsert, Collection: "c",
				Data: fmt.Appendf(nil, `{"n":%d,"text":%q}`, i, strings.Repeat("x", 250)),
			},
		)
		require.NoError(t, err)
	}
	r, err := http.Get(client.DataURL(url, here, "", "collection", "c"))
	require.NoError(t, err)
	defer func() { _ = r.Body.Close() }()
	text, err := io.ReadAll(r.Body)
	require.NoError(t, err)
	documents := documentBytes(t, text)
	require.LessOrEqual(t, len(text)*10, documents*11, "REST")

	sent := 0
	for after := ""; ; {
		require.NoError(
			t,
			c.SendText(ctx, fmt.Appendf(nil, `{"type":"second:data:list","requestId":"1","collection":"c"%s}`, after)),
		)
		frame, err := c.NextFrame(ctx)
		for err == nil && !bytes.Contains(frame, []byte("list-response")) {
			frame, err = c.NextFrame(ctx)
		}
		require.NoError(t, err)
		sent += len(frame)
		_, next, more := bytes.Cut(frame, []byte(`"next":"`))
		if !more {
			break
		}
		after = `,"after":"` + string(next[:bytes.IndexByte(next, '"')]) + `"`
	}
	require.Greater(t, sent, documents)
	require.LessOrEqual(t, sent*10, documents*11, "socket")
}

// documentBytes is how long the documents of a REST list are, by themselves.
func documentBytes(t *testing.T, list []byte) (sum int) {
	t.Helper()
	var answer struct{ Docs []json.RawMessage }
	require.NoError(t, json.Unmarshal(list, &answer))
	require.Len(t, answer.Docs, 3000)
	for _, d := range answer.Docs {
		sum += len(d)
	}
	return sum
}
