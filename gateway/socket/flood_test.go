package socket_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/secondgate/secondgate/gateway/socket"
)

const floodMessages = 2000

// flood is a connection on which everybody writes at once: messages in every way there is, pings
// from both sides, and pongs from the reader's goroutine.
type flood struct {
	conn    *socket.Conn
	peer    *peer
	written chan struct{} // closed after the last message
	tries   map[socket.Progress]int
	pings   int // of the server
	pinged  int // by the peer
}

// TestMessagesAreWholeAndInOrderBesideAFloodOfPings: the peer gets each message as it was sent,
// none lost, doubled, out of order or with another frame inside, and a pong for each of its pings,
// while it is too slow now and then.
func TestMessagesAreWholeAndInOrderBesideAFloodOfPings(t *testing.T) {
	t.Parallel()
	bothWays(t, func(t *testing.T, o socket.Options) {
		conn, p := connect(t, o)
		f := &flood{conn: conn, peer: p, written: make(chan struct{}), tries: map[socket.Progress]int{}}
		var tasks errgroup.Group
		tasks.Go(f.write)
		tasks.Go(f.ping)
		tasks.Go(f.read)
		messages, pongs, pings := f.check(t)
		require.NoError(t, tasks.Wait())
		require.Equal(t, floodMessages, messages)
		require.Equal(t, f.pinged, pongs)
		require.Equal(t, f.pings, pings)
		t.Logf("%d pongs, %d pings, tries: %v", pongs, pings, f.tries)
		require.NotZero(t, pings)
		if conn.CanTry() {
			require.NotZero(t, f.tries[socket.Begun], "no message was sent in part")
			require.NotZero(t, f.tries[socket.Whole])
			return
		}
		require.NotZero(t, f.tries[socket.Busy])
		require.Len(t, f.tries, 1)
	})
}

// noise is what messages are cut from.
var noise = func() []byte {
	b := make([]byte, 400_000)
	random := rand.New(rand.NewPCG(1, 2))
	for i := range b {
		b[i] = 'a' + byte(random.IntN(26))
	}
	return b
}()

// floodMessage is the message of a number: from 1 byte to 200,000, as many of each magnitude, and
// with the number in it where it fits.
func floodMessage(number int) []byte {
	random := rand.New(rand.NewPCG(uint64(number), 3))
	size := int(math.Exp(random.Float64() * math.Log(200_000)))
	text := bytes.Clone(noise[number : number+size])
	copy(text, fmt.Sprint(number))
	return text
}

// write sends one message after the other.
func (f *flood) write() error {
	defer close(f.written)
	random := rand.New(rand.NewPCG(1, 4))
	for number := range floodMessages {
		if err := f.send(random.IntN(5), floodMessage(number)); err != nil {
			return fmt.Errorf("message %d: %w", number, err)
		}
		if err := f.maybePing(random.IntN(10)); err != nil {
			return err
		}
	}
	return nil
}

func (f *flood) send(way int, text []byte) error {
	if way == 0 {
		return f.conn.Write(text)
	}
	message := framed(string(text))
	if way == 1 {
		return f.conn.Send(message)
	}
	progress, err := f.conn.TrySend(message)
	f.tries[progress]++
	switch {
	case err != nil || progress == socket.Whole:
		return err
	case progress == socket.Begun:
		clear(message) // the buffer is the caller's again
		return f.elsewhere(f.conn.Flush)
	}
	return f.elsewhere(func() error { return f.conn.Send(message) })
}

// elsewhere has what waits done in another goroutine, as the gateway does, and pings beside it.
func (f *flood) elsewhere(waits func() error) error {
	done := later(waits)
	return errors.Join(f.tryPing(), <-done)
}

func (f *flood) maybePing(way int) error {
	switch way {
	case 0:
		f.pings++
		return f.conn.Ping()
	case 1, 2:
		return f.tryPing()
	}
	return nil
}

func (f *flood) tryPing() error {
	progress, err := f.conn.TryPing()
	if progress != socket.Busy {
		f.pings++
	}
	return err
}

// read answers pings until the peer says that there are no more.
func (f *flood) read() error {
	if _, err := f.conn.Read(context.Background()); err != nil {
		return fmt.Errorf("read: %w", err)
	}
	return f.conn.Close(socket.GoingAway, "")
}

// pingText is the payload of the peer's ping of a number.
func pingText(number int) string {
	text := binary.BigEndian.AppendUint32(nil, uint32(number))
	return string(append(text, noise[:number%122]...))
}

// ping floods the server until the last message is written.
func (f *flood) ping() error {
	for {
		select {
		case <-f.written:
			_, err := f.peer.Write(frame(opText, true, "no more", key))
			return err
		default:
		}
		if _, err := f.peer.Write(frame(opPing, true, pingText(f.pinged), key)); err != nil {
			return fmt.Errorf("ping: %w", err)
		}
		f.pinged++
	}
}

// check reads up to the end of the connection, not always fast.
func (f *flood) check(t *testing.T) (messages, pongs, pings int) {
	t.Helper()
	for {
		opcode, payload, err := f.peer.next()
		require.NoError(t, err, "after %d messages and %d pongs", messages, pongs)
		switch opcode {
		case opText:
			require.True(t, bytes.Equal(floodMessage(messages), payload), "message %d is %.40q", messages, payload)
			if messages++; messages%100 == 0 {
				time.Sleep(20 * time.Millisecond) // so that the kernel is full
			}
		case opPong:
			require.Equal(t, pingText(pongs), string(payload))
			pongs++
		case opPing:
			require.Empty(t, payload)
			pings++
		default:
			require.EqualValues(t, opClose, opcode)
			_, err := f.peer.Write(frame(opClose, true, string(payload), key))
			require.NoError(t, err)
			f.peer.wantEnd(t)
			return messages, pongs, pings
		}
	}
}
