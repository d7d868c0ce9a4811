package socket

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"net/http"
	"strings"
	"sync"

	"github.com/klauspost/compress/flate"
)

// permessage-deflate (RFC 7692), of which the gateway speaks the form in which neither side keeps
// what went before: a message that was compressed once goes to every peer that takes it, and no
// connection holds a window. The library knows nothing of it.

// extensions is the header field of the handshake (RFC 6455 §11.3.2).
const extensions = "Sec-WebSocket-Extensions"

// deflateAnswer is what the gateway agrees to (RFC 7692 §7.1.1).
const deflateAnswer = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"

// compressed marks the first frame of a compressed message: RSV1 of a header's first byte.
const compressed = 0x40

// shortest is the length of the shortest message that is compressed, in bytes. Under it little is
// won, and with headers nothing.
const shortest = 256

// deflateTail ends what [Deflate] returns. It is not sent as part of a message (RFC 7692 §7.2.1), and
// an empty last block after it tells the reader that there is no more.
var (
	deflateTail = []byte{0x00, 0x00, 0xff, 0xff}
	lastBlock   = []byte{0x00, 0x00, 0xff, 0xff, 0x01, 0x00, 0x00, 0xff, 0xff}
)

// takesDeflate reports whether one of the handshake's offers of permessage-deflate can be agreed to.
// One that wants a smaller window than deflate's own cannot: messages for all have the full one.
func takesDeflate(r *http.Request) bool {
	for offer := range strings.SplitSeq(strings.Join(r.Header.Values(extensions), ","), ",") {
		name, parameters, _ := strings.Cut(offer, ";")
		if strings.EqualFold(strings.TrimSpace(name), "permessage-deflate") && known(parameters) {
			return true
		}
	}
	return false
}

// known reports whether the parameters of an offer are those that the gateway's answer fits, each
// at most once.
func known(parameters string) bool {
	seen := map[string]bool{}
	for parameter := range strings.SplitSeq(parameters, ";") {
		name, value, _ := strings.Cut(parameter, "=")
		name, value = strings.ToLower(strings.TrimSpace(name)), strings.Trim(strings.TrimSpace(value), `"`)
		if seen[name] {
			return false
		}
		seen[name] = true
		switch name {
		case "server_no_context_takeover", "client_no_context_takeover":
			if value != "" {
				return false
			}
		case "client_max_window_bits":
			if value != "" && !windowBits(value) {
				return false
			}
		case "server_max_window_bits":
			if value != "15" {
				return false
			}
		case "":
			if parameters != "" {
				return false
			}
		default:
			return false
		}
	}
	return true
}

// windowBits reports whether a value is one of 8 to 15, without leading zeros.
func windowBits(value string) bool {
	switch value {
	case "8", "9", "10", "11", "12", "13", "14", "15":
		return true
	}
	return false
}

// Deflate appends text to buffer as blocks of deflate that refer to nothing before them and end at a
// byte: several may stand behind each other.
func Deflate(buffer, text []byte) []byte {
	out := bytes.NewBuffer(buffer)
	_ = flate.StatelessDeflate(out, text, false, nil) // to memory
	return out.Bytes()
}

// Blocks appends text to buffer as blocks of deflate, like [Deflate]. A short text, or one that would
// not get shorter, is stored in them as it is. An empty block ends them: some readers wait for it before
// they hand out what was before.
func Blocks(buffer, text []byte) []byte {
	if len(text) >= shortest {
		if packed := Deflate(buffer, text); len(packed)-len(buffer) < len(text) {
			return packed
		}
	}
	for len(text) > 0 { // RFC 1951 §3.2.4
		n := min(len(text), math.MaxUint16)
		buffer = binary.LittleEndian.AppendUint16(append(buffer, 0), uint16(n))
		buffer = binary.LittleEndian.AppendUint16(buffer, ^uint16(n))
		buffer, text = append(buffer, text[:n]...), text[n:]
	}
	return append(append(buffer, 0), deflateTail...)
}

// Compress returns a frame that [Frame] has made with its message compressed, for peers of whom
// [Conn.TakesCompressed] is true; or the frame itself, if that is short or would not get shorter.
func Compress(frame []byte) []byte {
	message := payload(frame)
	if len(message) < shortest {
		return frame
	}
	packed := Deflate(make([]byte, HeaderSpace, HeaderSpace+len(message)/2), message)
	packed = bytes.TrimSuffix(packed, deflateTail)
	if len(packed)-HeaderSpace >= len(message) {
		return frame
	}
	packed = Frame(packed)
	packed[0] |= compressed
	return packed
}

// marks says of each message that has begun, and that nobody has asked for, whether it is compressed.
// The library hands messages out in order. It may read on beyond one, also while it closes.
type marks struct {
	mu    sync.Mutex
	begun []bool
}

func (m *marks) put(packed bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.begun = append(m.begun, packed)
}

// take is the mark of the next message. One that cannot be followed has none: the library refuses it.
func (m *marks) take() (packed bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.begun) == 0 {
		return false
	}
	packed = m.begun[0]
	if m.begun = m.begun[1:]; len(m.begun) == 0 {
		m.begun = m.begun[:0:0]
	}
	return packed
}

var inflaters = sync.Pool{New: func() any { return flate.NewReader(nil) }}

// Inflate reads what is in a compressed message. It fails with [ErrTooBig] beyond limit bytes, and
// with ErrNotDeflate if the message is none. Close gives the reader's memory back.
func Inflate(message []byte, limit int64) io.ReadCloser {
	r := inflaters.Get().(io.ReadCloser)
	source := io.MultiReader(bytes.NewReader(message), bytes.NewReader(lastBlock))
	_ = r.(flate.Resetter).Reset(source, nil) // never fails
	return &inflater{from: r, left: limit}
}

type inflater struct {
	from io.ReadCloser
	left int64 // bytes that may still come
}

func (r *inflater) Read(b []byte) (int, error) {
	b = b[:min(int64(len(b)), r.left+1)]
	n, err := r.from.Read(b)
	if r.left -= int64(n); r.left < 0 {
		return 0, ErrTooBig
	}
	if err != nil && err != io.EOF {
		err = fmt.Errorf("%w: %w", ErrNotDeflate, err)
	}
	return n, err
}

func (r *inflater) Close() error {
	inflaters.Put(r.from)
	return nil
}
