package protocol

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"sync/atomic"
	"time"
)

// process tells this process's ids from those of others: 5 random bytes, as in MongoDB's ObjectID
// layout (https://www.mongodb.com/docs/manual/reference/bson-types/#objectid).
var process = func() (b [5]byte) { rand.Read(b[:]); return b }()

// counter makes ids of one second distinct. It starts anywhere, so restarts within one second do
// not collide.
var counter = func() *atomic.Uint32 {
	var b [4]byte
	rand.Read(b[:])
	var c atomic.Uint32
	c.Store(binary.BigEndian.Uint32(b[:]))
	return &c
}()

// NewID makes a document id: 24 lower-case hex digits of seconds, process and counter. Ids made by
// one process in turn ascend, which keeps inserts at one end of an index.
func NewID(now time.Time) string {
	var b [12]byte
	binary.BigEndian.PutUint32(b[:4], uint32(now.Unix()))
	copy(b[4:9], process[:])
	n := counter.Add(1)
	b[9], b[10], b[11] = byte(n>>16), byte(n>>8), byte(n)
	return hex.EncodeToString(b[:])
}

// ServerMade tells whether id has the form that is reserved for ids made by the server.
func ServerMade(id string) bool {
	if len(id) != 24 {
		return false
	}
	for i := range len(id) {
		c := id[i]
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}
