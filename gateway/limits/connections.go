package limits

import (
	"net/netip"
	"sync"
)

// Most is how many connections may be open at once. 0 is no limit.
type Most struct {
	All, PerUser, PerAddress int
}

// Full says which limit leaves no room for a connection.
type Full uint8

// The limits of connections. None is full for a connection that is taken in.
const (
	NoneFull Full = iota
	AllFull
	UserFull
	AddressFull
)

// Connections counts the connections that are open: in all, of each user and from each address.
// Any goroutine may call its methods.
type Connections struct {
	most Most

	mu        sync.Mutex
	all       int
	users     map[string]int
	addresses map[netip.Addr]int
}

// NewConnections counts from zero.
func NewConnections(most Most) *Connections {
	return &Connections{most: most, users: map[string]int{}, addresses: map[netip.Addr]int{}}
}

// Enter takes a connection in, or says which limit is full. A connection without a user or address
// is not counted by it. The caller calls Leave with the same values once the connection has ended.
func (c *Connections) Enter(user string, address netip.Addr) Full {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case isFull(c.all, c.most.All):
		return AllFull
	case isFull(c.users[user], c.most.PerUser):
		return UserFull
	case isFull(c.addresses[address], c.most.PerAddress):
		return AddressFull
	}
	c.count(user, address, 1)
	return NoneFull
}

// Leave gives back what Enter has taken.
func (c *Connections) Leave(user string, address netip.Addr) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.count(user, address, -1)
}

// Most is how many may be open.
func (c *Connections) Most() Most { return c.most }

// Open is how many connections are open.
func (c *Connections) Open() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.all
}

// count adds to what is open. The caller holds mu.
func (c *Connections) count(user string, address netip.Addr, by int) {
	c.all += by
	if user != "" {
		add(c.users, user, by)
	}
	if address.IsValid() {
		add(c.addresses, address, by)
	}
}

// add keeps nothing of a key whose count is zero.
func add[K comparable](counts map[K]int, key K, by int) {
	if counts[key] += by; counts[key] == 0 {
		delete(counts, key)
	}
}

func isFull(open, most int) bool { return most > 0 && open >= most }
