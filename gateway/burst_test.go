package gateway_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/backends/model"
	"github.com/secondgate/secondgate/gateway"
	"github.com/secondgate/secondgate/protocol"
)

// TestBurstReachesAll: after a burst of writes nobody waits for the next one, or for a heartbeat,
// to be told the last change.
func TestBurstReachesAll(t *testing.T) {
	for name, way := range map[string]struct {
		request func(url string) string
		opens   string // what comes once it follows: not the answer to the handshake
	}{"socket": {handshake, "second:data:welcome"}, "stream": {streamRequest, "\nid: "}} {
		t.Run(name, func(t *testing.T) {
			b := model.New(model.Options{PreImage: -1, Break: -1})
			const beat = time.Minute // no heartbeat brings the last change in time
			url := serve(t, b, func(c *gateway.Config) { c.Heartbeat, c.StreamHeartbeat = beat, beat })
			const bursts, writers, each = 5, 4, 25
			var all sync.WaitGroup
			begun := make(chan struct{}, 200)
			for range cap(begun) {
				conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
				require.NoError(t, err)
				t.Cleanup(func() { _ = conn.Close() })
				require.NoError(t, conn.SetDeadline(time.Now().Add(beat-5*time.Second)))
				_, err = io.WriteString(conn, way.request(url))
				require.NoError(t, err)
				all.Go(func() {
					if n := changesIn(conn, way.opens, begun, bursts*writers*each); n < bursts*writers*each {
						t.Errorf("%d of %d changes have come", n, bursts*writers*each)
					}
				})
			}
			for range cap(begun) {
				<-begun
			}
			for range bursts {
				var writing sync.WaitGroup
				for range writers {
					writing.Go(func() { insertSome(t, b, each) })
				}
				writing.Wait()
			}
			all.Wait()
		})
	}
}

// streamRequest opens an event stream.
func streamRequest(url string) string {
	return fmt.Sprintf(
		"GET %s/stream HTTP/1.1\r\nHost: %s\r\n\r\n", dataPath, strings.TrimPrefix(url, "http://"),
	)
}

// changesIn counts the changes that come until there are enough; begun hears of the opening.
func changesIn(conn net.Conn, opens string, begun chan<- struct{}, enough int) (n int) {
	var text []byte
	opened := false
	part := make([]byte, 32<<10)
	for n < enough {
		read, err := conn.Read(part)
		text = append(text, part[:read]...)
		if !opened && (err != nil || bytes.Contains(text, []byte(opens))) {
			opened = true
			begun <- struct{}{}
		}
		if n = bytes.Count(text, []byte(`"collection":"c"`)); err != nil {
			return n
		}
	}
	return n
}

func insertSome(t *testing.T, b backends.Backend, n int) {
	for range n {
		_, err := backends.WriteOne(context.Background(), b, backends.Tx{
			Scope: here, At: protocol.Millis(time.Now()),
			Writes: []backends.Write{
				{Op: backends.Insert, Collection: "c", ID: protocol.NewID(time.Now()), Data: []byte(`{}`)},
			},
		})
		if err != nil {
			t.Error(err)
		}
	}
}
