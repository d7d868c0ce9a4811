package gateway

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"time"

	"github.com/secondgate/secondgate/backends"
	"github.com/secondgate/secondgate/gateway/access"
	"github.com/secondgate/secondgate/gateway/audit"
	"github.com/secondgate/secondgate/gateway/limits"
	"github.com/secondgate/secondgate/gateway/mcp"
	"github.com/secondgate/secondgate/gateway/metrics"
	"github.com/secondgate/secondgate/gateway/runs"
	"github.com/secondgate/secondgate/gateway/store"
	"github.com/secondgate/secondgate/protocol"
)

// Config of a Gateway. Start from DefaultConfig.
type Config struct {
	// Hosts are the exact values of the Host header that are served, port included: a socket on
	// loopback can be dialled by any web page, under any name that its DNS makes up.
	Hosts []string
	// Origins are the exact values of the Origin header that are served. Requests without one come
	// from no browser.
	Origins []string
	Limits  protocol.Limits
	// Heartbeat is the time between bookmarks on a quiet connection, 60 s at most.
	Heartbeat time.Duration
	// StreamHeartbeat is the time between the comments and ids of a quiet event stream, 60 s at most.
	StreamHeartbeat time.Duration
	// StreamPace is the time that a document of the past takes on an event stream. It is sent as insert
	// and as update, and today's bridge takes 24 changes in 16 ms from a queue without an end: whatever
	// comes faster has live changes wait behind it in the page.
	StreamPace time.Duration
	// Stall is how long a peer may take no byte.
	Stall time.Duration
	// MessageTime is how long a long message may take to arrive on a socket, once it has begun.
	MessageTime time.Duration
	// LogBytes bounds the changes that are kept for followers, over all scopes.
	LogBytes int
	// ParseBytes bounds the bytes being parsed at once.
	ParseBytes int
	// MemoryBytes bounds the bytes held for clients, over all connections: what has not arrived whole,
	// waits to be carried out, is being read or is not yet sent.
	MemoryBytes int
	// ListBytes bounds a list's answer over REST, which is streamed.
	ListBytes int
	// Forward, if set, is the http(s) URL of the web app that gets every request that is not the
	// gateway's.
	Forward *url.URL
	// Explorer, if set, serves the pages below /explorer/.
	Explorer http.Handler
	// PlainSockets has every connection written to through net/http and coder/websocket alone, each by
	// a goroutine of its own: slower, and independent of how these work inside.
	PlainSockets bool
	// Compression says where what goes to many is compressed, for clients that offer to read it. With
	// PlainSockets nothing is.
	Compression Compression
	// Connections is how many sockets and event streams may be open.
	Connections limits.Most
	// RequestRate and ByteRate are what each user may ask and send. They hold for nobody where nobody
	// is asked who they are.
	RequestRate, ByteRate limits.Rate
	// TicketRate is how many tickets each user may make, and each address make and try.
	TicketRate limits.Rate
	// Quota is how much each scope may hold.
	Quota store.Quota
	// TrustedProxies are the networks of the proxies that may name a client's address.
	TrustedProxies []netip.Prefix
	// Access decides who may do what.
	Access access.Mode
	// Agents says how agents are let in.
	Agents Agents
	// Audit is what leaves rows in the audit trail, and how long they are kept.
	Audit audit.Config
	Log   *slog.Logger
	// Metrics counts what happens; nil counts nothing.
	Metrics *metrics.Metrics
}

// Agents says how agents are let in.
type Agents struct {
	// Forward, if set, is the http(s) URL of the web app that keeps approvals and runs.
	Forward *url.URL
	// Token is what workers send to /api/internal; empty: those paths are closed, unless Open.
	Token string
	// Open lets everybody who reaches the gateway call /api/internal.
	Open bool
	// AdminsApprove keeps the approval of drafts to owners and admins.
	AdminsApprove bool
	// Tokens knows the tokens of agents that speak MCP; nil: there are none.
	Tokens *access.JWT
	// Issuer is who gives those out: a URL or a name.
	Issuer string
	// Cap is how many documents one call over MCP may change before a person must allow it.
	Cap int
	// Elicitation has MCP clients ask their person about such a call, and believes the answer.
	// It can be given by all who hold the agent's token.
	Elicitation bool
	// UndoTime is how long what agents wrote can be undone.
	UndoTime time.Duration
	// Worker hands runs to a worker; nil: workers claim them.
	Worker runs.Driver
	// RunTime is how long a run may take.
	RunTime time.Duration
}

// Compression is on what messages are compressed.
type Compression int

// The levels of Compression. Each has what the one before has.
const (
	CompressNothing Compression = iota
	CompressSockets             // messages on sockets
	CompressAll                 // event streams too
)

// DefaultConfig serves no host yet.
func DefaultConfig() Config {
	return Config{
		Limits: protocol.DefaultLimits, Heartbeat: 25 * time.Second, Stall: 60 * time.Second,
		StreamHeartbeat: 30 * time.Second, StreamPace: 2 * time.Millisecond, MessageTime: time.Minute,
		LogBytes: 64 << 20, ParseBytes: 8 << 20, MemoryBytes: 512 << 20, ListBytes: 256 << 20,
		Connections: limits.Most{All: 50_000, PerUser: 200, PerAddress: 1000},
		RequestRate: RequestRate(1000), ByteRate: ByteRate(16 << 20), TicketRate: TicketRate(100),
		Agents: Agents{
			UndoTime: store.DefaultUndoTime,
			Cap:      mcp.DefaultCap,
			RunTime:  runs.DefaultTimeLimit,
		},
		Compression: CompressAll,
		Access:      access.None{}, Log: slog.Default(),
		Audit: audit.Config{Level: audit.LevelWrites, Retention: audit.DefaultRetention},
	}
}

// RequestRate is a rate of requests with a burst of what two seconds have.
func RequestRate(perSecond int) limits.Rate { return rateOf(perSecond, 2) }

// ByteRate is a rate of bytes with a burst of what four seconds have.
func ByteRate(perSecond int) limits.Rate { return rateOf(perSecond, 4) }

// TicketRate is a rate of tickets with a burst of what ten seconds have: clients come back together.
func TicketRate(perSecond int) limits.Rate { return rateOf(perSecond, 10) }

func rateOf(perSecond, seconds int) limits.Rate {
	return limits.Rate{PerSecond: float64(perSecond), Burst: seconds * perSecond}
}

// FrameShare is how many of the longest frames MemoryBytes must have room for: the buffer that a
// frame is read into may be twice as long, and an eighth is kept for small requests.
const FrameShare = 4

// LeastToken is the least length of the token that workers send, in bytes.
const LeastToken = 32

// leastMemory has room for a list and a long message at once.
const leastMemory = 16 << 20

// Validate lists all that is wrong.
func (c *Config) Validate() error {
	var all []error
	bad := func(wrong bool, format string, args ...any) {
		if wrong {
			all = append(all, fmt.Errorf(format, args...))
		}
	}
	bad(len(c.Hosts) == 0, "no host is allowed: name at least one, such as localhost:8080")
	bad(
		c.Heartbeat <= 0 || c.Heartbeat > time.Minute, "the heartbeat %v must be more than 0 and at most 60s",
		c.Heartbeat,
	)
	bad(
		c.StreamHeartbeat <= 0 || c.StreamHeartbeat > time.Minute,
		"the heartbeat of streams %v must be more than 0 and at most 60s", c.StreamHeartbeat,
	)
	bad(c.StreamPace <= 0, "the pace of streams %v must be more than 0", c.StreamPace)
	bad(c.Stall <= 0 || c.MessageTime <= 0, "the stall and message times must be more than 0")
	bad(c.LogBytes <= 0 || c.ParseBytes <= 0 || c.ListBytes <= 0, "the byte budgets must be more than 0")
	bad(c.MemoryBytes < leastMemory, "the memory for clients must be at least %d bytes", leastMemory)
	bad(
		c.Limits.DocumentBytes <= 0 || c.Limits.DocumentBytes > backends.MaxDocument,
		"the document limit %d must be from 1 to %d", c.Limits.DocumentBytes, backends.MaxDocument,
	)
	bad(
		c.MemoryBytes < FrameShare*c.Limits.FrameBytes,
		"the memory for clients must be at least %d frames of %d bytes", FrameShare, c.Limits.FrameBytes,
	)
	bad(
		c.Limits.FrameBytes < c.Limits.DocumentBytes, "the frame limit %d is below the document limit",
		c.Limits.FrameBytes,
	)
	bad(
		c.Limits.Operations <= 0 || c.Limits.Requests <= 0,
		"the limits of operations and requests must be more than 0",
	)
	bad(c.Connections.All < 0 || c.Connections.PerUser < 0 || c.Connections.PerAddress < 0 ||
		c.RequestRate.PerSecond < 0 || c.ByteRate.PerSecond < 0 || c.TicketRate.PerSecond < 0,
		"the limits of connections and rates must be 0, which is no limit, or more")
	bad(c.Agents.UndoTime <= 0, "the time for which changes can be undone must be more than 0")
	bad(c.Agents.RunTime <= 0, "the time that a run may take must be more than 0")
	bad(c.Agents.Cap < 1, "the cap of documents must be at least 1")
	bad(c.Agents.Token != "" && len(c.Agents.Token) < LeastToken,
		"the internal token must have at least %d bytes", LeastToken)
	bad(c.Audit.Retention < 0, "the retention of the audit trail must be 0, which is for ever, or more")
	bad(
		c.Quota.Documents < 0 || c.Quota.Bytes < 0,
		"the quotas of a scope must be 0, which is no limit, or more",
	)
	bad(!isWebApp(c.Forward) || !isWebApp(c.Agents.Forward),
		"the web app to forward to must be a URL such as http://127.0.0.1:3000")
	return errors.Join(all...)
}

func isWebApp(u *url.URL) bool {
	return u == nil || u.Host != "" && (u.Scheme == "http" || u.Scheme == "https")
}
