package audit

import (
	"context"
	"encoding/hex"
)

// Client is what a door knows of the other end of a connection, besides whose it is. It is small:
// most of a gateway's connections are idle.
type Client struct {
	address, agent       [(shortHash - len(hashPrefix)) / 2]byte
	hasAddress, hasAgent bool
}

// NewClient keeps hashes of an address and of a user agent. Either may be empty.
func NewClient(address, agent string) (c Client) {
	c.hasAddress = shorten(c.address[:], address)
	c.hasAgent = shorten(c.agent[:], agent)
	return c
}

func shorten(dst []byte, text string) (some bool) {
	hash := hashText(text)
	if hash == "" {
		return false
	}
	_, _ = hex.Decode(dst, []byte(hash[len(hashPrefix):])) // hashText makes hexadecimal
	return true
}

func (c *Client) ipHash() string { return lengthen(c.address[:], c.hasAddress) }

func (c *Client) userAgentHash() string { return lengthen(c.agent[:], c.hasAgent) }

func lengthen(hash []byte, some bool) string {
	if !some {
		return ""
	}
	return hashPrefix + hex.EncodeToString(hash)
}

// Origin is where a request comes from.
type Origin struct {
	Client Client
	// RequestID is the HTTP request's; empty where each message has one of its own.
	RequestID string
}

// NewOrigin is the origin of one HTTP request.
func NewOrigin(c Client, requestID string) *Origin {
	return &Origin{Client: c, RequestID: clean(requestID, longestField)}
}

type originKey struct{}

// WithOrigin is a context of a request that comes from somewhere.
func WithOrigin(ctx context.Context, o *Origin) context.Context {
	return context.WithValue(ctx, originKey{}, o)
}

// originOf is what WithOrigin has set, or nothing.
func originOf(ctx context.Context) *Origin {
	if o, ok := ctx.Value(originKey{}).(*Origin); ok {
		return o
	}
	return &Origin{}
}
