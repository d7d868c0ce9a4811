package socket

import (
	"encoding/binary"
	"math/bits"
)

// The opcodes that matter here (RFC 6455 §5.2).
const (
	opText   = 0x1
	opBinary = 0x2

	// These are parts of a header's first byte.
	opcodeBits, reservedBits = 0x0F, 0x70
	opClose                  = 0x8
	opPong                   = 0xA
)

// masked is the bit of a header's second byte that marks a masked frame.
const masked = 0x80

// incoming follows the frames of a peer as their bytes arrive. It finds text that is not UTF-8 at
// its first wrong byte: in the middle of a frame, across the frames of a message, and in the reason
// of a close frame. The library checks none of that, and hands out a message only when it is whole.
// Anything else that is wrong with a frame is the library's to refuse: incoming then looks no
// further.
//
// Where deflate was agreed to, the library gets compressed messages without their mark, and so hands
// them out as they are.
type incoming struct {
	deflate bool
	packed  bool // the message under way is compressed
	marks   marks

	header [14]byte
	have   int // bytes of the header so far

	left   uint64 // bytes of the payload to come
	key    [4]byte
	keyAt  int // which byte of the key is next
	opcode byte
	fin    bool

	text     bool // the message under way is text
	message  utf8Check
	reason   utf8Check
	codeLeft int // bytes of the close code to come, before the reason

	invalid bool // text was
	closed  bool // a close frame has come, whole
	blind   bool // the frames cannot be followed any further
}

// scan takes the next bytes and returns how many of them may be passed on: all, unless the next one
// makes text invalid. After invalid text it only follows where frames end.
func (f *incoming) scan(b []byte) int {
	for at := 0; at < len(b) && !f.blind; {
		var used int
		var ok bool
		if f.left == 0 {
			used, ok = f.takeHeader(b[at:])
		} else {
			used, ok = f.takePayload(b[at:])
		}
		at += used
		if !ok {
			f.invalid = true
			return at - 1
		}
	}
	return len(b)
}

// limit returns how many of n bytes may be read without touching the frame after the current header
// or payload. A reader that asks for no more holds nothing of the next frame.
func (f *incoming) limit(n int) int {
	switch {
	case f.blind:
		return n
	case f.left > 0:
		return int(min(uint64(n), f.left))
	}
	return min(n, f.headerSize()-f.have)
}

// skip follows bytes that will not be passed on.
func (f *incoming) skip(b []byte) {
	for len(b) > 0 && !f.blind {
		if n := f.scan(b); n < len(b) {
			b = b[n+1:]
			continue
		}
		return
	}
}

func (f *incoming) takeHeader(b []byte) (used int, ok bool) {
	begins := f.have == 0
	used = copy(f.header[f.have:f.headerSize()], b)
	f.have += used
	if begins && f.deflate {
		f.mark(&b[0])
	}
	if f.have >= 2 && !f.followable() {
		f.blind = true
		return used, true
	}
	if f.have < f.headerSize() {
		return used, true
	}
	return used, f.begin()
}

// mark takes the mark of a compressed message off its first byte: off the one that the library gets,
// and off ours.
func (f *incoming) mark(first *byte) {
	opcode := *first & opcodeBits
	if opcode != opText && opcode != opBinary {
		return
	}
	f.packed = *first&reservedBits == compressed
	if f.packed {
		*first &^= compressed
		f.header[0] = *first
	}
	f.marks.put(f.packed)
}

func (f *incoming) headerSize() int {
	switch {
	case f.have < 2:
		return 2
	case f.header[1] == masked|126:
		return 8
	case f.header[1] == masked|127:
		return 14
	}
	return 6
}

// followable reports whether the frame can be followed: it is masked, and its reserved bits have no
// meaning, or that which mark has taken off.
func (f *incoming) followable() bool {
	opcode := f.header[0] & opcodeBits
	return f.header[0]&reservedBits == 0 && f.header[1]&masked != 0 &&
		(opcode <= opBinary || opClose <= opcode && opcode <= opPong)
}

// begin reads a whole header. It returns false when the frame is empty and ends its message in the
// middle of a character.
func (f *incoming) begin() bool {
	size := f.have
	f.have, f.keyAt = 0, 0
	f.fin, f.opcode = f.header[0]&0x80 != 0, f.header[0]&opcodeBits
	copy(f.key[:], f.header[size-4:size])
	switch size {
	case 6:
		f.left = uint64(f.header[1] &^ masked)
	case 8:
		f.left = uint64(binary.BigEndian.Uint16(f.header[2:]))
	default:
		f.left = binary.BigEndian.Uint64(f.header[2:])
	}
	switch f.opcode {
	case opText, opBinary:
		f.text, f.message = f.opcode == opText && !f.packed, utf8Check{}
	case opClose:
		f.codeLeft, f.reason = 2, utf8Check{}
	}
	return f.left > 0 || f.end()
}

func (f *incoming) takePayload(b []byte) (used int, ok bool) {
	b = b[:min(uint64(len(b)), f.left)]
	used, ok = f.check(b)
	f.left -= uint64(used)
	f.keyAt = (f.keyAt + used) & 3
	if f.left == 0 {
		ok = f.end() && ok
	}
	return used, ok
}

// end returns false when the text that ends with this frame lacks the rest of a character.
func (f *incoming) end() bool {
	switch {
	case f.opcode == opClose:
		f.closed = true
		return f.invalid || f.reason.whole()
	case f.opcode < opClose && f.fin && f.text:
		return f.invalid || f.message.whole()
	}
	return true
}

// check follows payload up to its end or the first wrong byte.
func (f *incoming) check(b []byte) (used int, ok bool) {
	switch {
	case f.invalid:
		return len(b), true
	case f.opcode == opClose:
		code := min(f.codeLeft, len(b))
		f.codeLeft -= code
		used, ok = f.checkText(&f.reason, b[code:], f.keyAt+code)
		return code + used, ok
	case f.opcode < opClose && f.text:
		return f.checkText(&f.message, b, f.keyAt)
	}
	return len(b), true
}

// checkText checks masked text. Its first byte is masked with key[keyAt&3].
func (f *incoming) checkText(u *utf8Check, b []byte, keyAt int) (used int, ok bool) {
	var plain [512]byte // a multiple of the key's length
	key := bits.RotateLeft32(binary.LittleEndian.Uint32(f.key[:]), -8*(keyAt&3))
	for ok = true; ok && len(b) > 0; {
		n := copy(plain[:], b)
		unmask(plain[:n], key)
		n, ok = u.takeAll(plain[:n])
		used, b = used+n, b[n:]
	}
	return used, ok
}

// unmask is RFC 6455 §5.3, eight bytes at a time.
func unmask(b []byte, key uint32) {
	wide := uint64(key)<<32 | uint64(key)
	for ; len(b) >= 8; b = b[8:] {
		binary.LittleEndian.PutUint64(b, binary.LittleEndian.Uint64(b)^wide)
	}
	for i := range b {
		b[i] ^= byte(wide >> (8 * i))
	}
}
