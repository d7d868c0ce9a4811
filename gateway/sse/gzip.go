package sse

import (
	"encoding/binary"
	"hash/crc32"
	"net/http"
	"strconv"
	"strings"

	"github.com/secondgate/secondgate/gateway/door"
	"github.com/secondgate/secondgate/gateway/socket"
)

// gzip is a sink that compresses what it takes (RFC 1952). Its blocks refer to nothing before them, so
// it keeps no window, and blocks that were made for all streams may stand between its own.
type gzip struct {
	door.Sink
	begun bool
	sum   uint32
	size  uint32
}

// gzipHeader is of a stream without a name, a time or a system.
var gzipHeader = []byte{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff}

// takesGzip reports whether a request's client takes gzip (RFC 9110 §12.5.3).
func takesGzip(r *http.Request) bool {
	for coding := range strings.SplitSeq(strings.Join(r.Header.Values("Accept-Encoding"), ","), ",") {
		name, weight, weighed := strings.Cut(coding, ";")
		if !strings.EqualFold(strings.TrimSpace(name), "gzip") {
			continue
		}
		q, err := strconv.ParseFloat(strings.TrimPrefix(strings.TrimSpace(weight), "q="), 64)
		return !weighed || err == nil && q > 0
	}
	return false
}

// Write compresses text.
func (g *gzip) Write(text []byte) (int, error) {
	g.note(text)
	if _, err := g.Sink.Write(socket.Blocks(g.header(), text)); err != nil {
		return 0, err
	}
	return len(text), nil
}

// header is what has to go before the first block.
func (g *gzip) header() []byte {
	if g.begun {
		return nil
	}
	g.begun = true
	return gzipHeader[:len(gzipHeader):len(gzipHeader)]
}

// note counts text whose blocks are sent, also by others.
func (g *gzip) note(text []byte) {
	g.sum, g.size = crc32.Update(g.sum, crc32.IEEETable, text), g.size+uint32(len(text))
}

// Finish ends the stream well.
func (g *gzip) Finish() {
	end := append(g.header(), 1, 0, 0, 0xff, 0xff) // an empty last block
	end = binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(end, g.sum), g.size)
	if _, err := g.Sink.Write(end); err == nil {
		_ = g.Flush()
	}
	g.Sink.Finish()
}
