package socket_test

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/secondgate/secondgate/gateway/socket"
)

const (
	opContinuation = 0x0
	opText         = 0x1
	opBinary       = 0x2
	opClose        = 0x8
	opPing         = 0x9
)

// frame is a masked frame of a client. A frame that is not the last of its message has fin false.
func frame(opcode byte, fin bool, payload string, key [4]byte) []byte {
	if fin {
		opcode |= 0x80
	}
	b := []byte{opcode}
	switch n := len(payload); {
	case n < 126:
		b = append(b, 0x80|byte(n))
	case n < 1<<16:
		b = binary.BigEndian.AppendUint16(append(b, 0x80|126), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, 0x80|127), uint64(n))
	}
	b = append(b, key[:]...)
	for i := range len(payload) {
		b = append(b, payload[i]^key[i&3])
	}
	return b
}

// history is frames one after the other, with how many of their bytes may be passed on: all, until
// text is wrong.
type history struct {
	*rand.Rand
	bytes  []byte
	passed int
	wrong  bool
}

// add adds a frame whose text begins after so many bytes of the payload; until is how many of these
// may be passed on.
func (h *history) add(opcode byte, fin bool, payload string, until int) {
	f := frame(
		opcode, fin, payload, [4]byte{byte(h.IntN(256)), byte(h.IntN(256)), byte(h.IntN(256)), byte(h.IntN(256))},
	)
	h.bytes = append(h.bytes, f...)
	if h.wrong {
		return
	}
	h.passed += len(f)
	if until < len(payload) {
		h.wrong = true
		h.passed -= len(payload) - until
	}
}

// possible is how many bytes of text some valid text begins with.
func possible(text string) int {
	for at := 0; at < len(text); {
		r, size := utf8.DecodeRuneInString(text[at:])
		if r != utf8.RuneError || size > 1 {
			at += size
			continue
		}
		for n := 1; at+n <= len(text); n++ {
			if utf8.FullRuneInString(text[at : at+n]) {
				return at + n - 1 // Go knows by then that it is none
			}
		}
		return len(text)
	}
	return len(text)
}

// text is a message in fragments, with a ping between some of them.
func (h *history) text(text string) {
	all := possible(text)
	whole := utf8.ValidString(text)
	opcode := byte(opText)
	for sent := 0; ; opcode = opContinuation {
		n := h.IntN(len(text) - sent + 1)
		if h.IntN(3) == 0 {
			n = len(text) - sent
		}
		last := sent+n == len(text) && h.IntN(2) == 0
		until := min(max(all-sent, 0), n)
		if last && !whole && all == len(text) && n > 0 {
			until = n - 1 // the rest of a character is missing
		}
		h.add(opcode, last, text[sent:sent+n], until)
		if last && !whole && all == len(text) && n == 0 && !h.wrong {
			h.wrong = true
			h.passed-- // an empty frame ends it: its header is held back
		}
		if sent += n; last {
			return
		}
		if h.IntN(3) == 0 {
			h.add(opPing, true, "\xff", 1)
		}
	}
}

var pieces = []string{
	"a", "plain ASCII of some length ", "é", "€", "\u0800", "\ud7ff", "\ue000", "\U00010000", "\U0010ffff", "\x00", "",
	"\x80", "\xc0\xaf", "\xc3", "\xe0\x80\x80", "\xe2\x82", "\xed\xa0\x80", "\xf0\x80\x80\x80", "\xf4\x90\x80\x80", "\xf5", "\xff",
}

func (h *history) words() (text string) {
	for range h.IntN(8) {
		n := len(pieces)
		if h.IntN(4) > 0 {
			n = 11 // the valid ones
		}
		text += pieces[h.IntN(n)]
	}
	return text
}

// TestInvalidTextIsHeldBack: whatever the frames, and wherever the network cuts them, all bytes up
// to the first that makes text invalid are passed on, and not that one.
func TestInvalidTextIsHeldBack(t *testing.T) {
	t.Parallel()
	wrong := 0
	const runs = 20_000
	for seed := range uint64(runs) {
		h := &history{Rand: rand.New(rand.NewPCG(seed, 1))}
		for range h.IntN(4) {
			if h.IntN(4) == 0 {
				h.add(opBinary, true, "\xff\xfe", 2)
				continue
			}
			h.text(h.words())
		}
		reason := h.words()
		until := possible(reason)
		if until == len(reason) && !utf8.ValidString(reason) {
			until--
		}
		h.add(opClose, true, "\x03\xe8"+reason, 2+until)
		var parts [][]byte
		for rest := h.bytes; len(rest) > 0; {
			n := 1 + h.IntN(len(rest))
			parts, rest = append(parts, rest[:n]), rest[n:]
		}
		require.Equal(t, h.passed, socket.Passed(parts...), "seed %d", seed)
		if h.wrong {
			wrong++
		}
	}
	require.Greater(t, wrong, runs/4)
	require.Less(t, wrong, runs*3/4)
}
