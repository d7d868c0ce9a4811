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
	"github.com/secondgate/secondgate/protocol"
)

// TestBurstReachesAll: after a burst of writes nobody waits for the next one, or for a heartbeat, to be told the last change.
func TestBurstReachesAll(t *testing.T) {
	for name, request := range map[string]func(url string) string{"socket": handshake, "stream": streamRequest} {
		t.Run(name, func(t *testing.T) {
			b := model.New(model.Options{PreImage: -1, Break: -1})
			url := serve(t, b)
			const bursts, writers, each = 5, 4, 25
			var all sync.WaitGroup
			begun := make(chan struct{}, 200)
			for range cap(begun) {
				conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
				require.NoError(t, err)
				t.Cleanup(func() { _ = conn.Close() })
				require.NoError(t, conn.SetDeadline(time.Now().Add(20*time.Second))) // before the first heartbeat
				_, err = io.WriteString(conn, request(url))
				require.NoError(t, err)
				all.Go(func() {
					if n := changesIn(conn, begun, bursts*writers*each); n < bursts*writers*each {
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
	return fmt.Sprintf("GET %s/stream HTTP/1.1\r\nHost: %s\r\n\r\n", dataPath, strings.TrimPrefix(url, "http://"))
}

// changesIn counts the changes that come until there are enough; begun hears of the first bytes.
func changesIn(conn net.Conn, begun chan<- struct{}, enough int) (n int) {
	var text []byte
	part := make([]byte, 32<<10)
	for n < enough {
		read, err := conn.Read(part)
		if len(text) == 0 {
			begun <- struct{}{}
		}
		text = append(text, part[:read]...)
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
			Writes: []backends.Write{{Op: backends.Insert, Collection: "c", ID: protocol.NewID(time.Now()), Data: []byte(`{}`)}},
		})
		if err != nil {
			t.Error(err)
		}
	}
}
