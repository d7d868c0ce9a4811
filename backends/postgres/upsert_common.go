package postgres

import (
	"sync"
	"time"
)

const (
	// commonTime is how long a value is taken to be common.
	commonTime = time.Minute
	// maxCommon bounds the values that are remembered.
	maxCommon = 1000
)

// commonValues remembers values that so many documents have that the index of values does not help.
// The server collects all hits of a value before it returns the first one, which took a tenth of a
// second for 300,000.
type commonValues struct {
	mu sync.Mutex
	at map[string]time.Time // by pattern, see containment
}

func (c *commonValues) note(pattern string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.at == nil || len(c.at) >= maxCommon {
		c.at = map[string]time.Time{}
	}
	c.at[pattern] = time.Now()
}

func (c *commonValues) has(pattern string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	at, ok := c.at[pattern]
	return ok && time.Since(at) < commonTime
}
