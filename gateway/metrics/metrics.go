package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/secondgate/secondgate/protocol"
)

// The doors that keep connections, as metrics name them.
const (
	Socket = "socket"
	Stream = "stream"
	MCP    = "mcp"
)

// The limits that refuse requests and connections, by the names of their flags.
const (
	LimitConnections = "connections"
	LimitUser        = "connections-per-user"
	LimitAddress     = "connections-per-address"
	LimitRequests    = "requests-per-second"
	LimitBytes       = "bytes-per-second"
	LimitTickets     = "tickets-per-second"
	LimitDocuments   = "scope-documents"
	LimitScopeBytes  = "scope-bytes"
)

// Metrics counts what one gateway does. Its methods may be called on nil, which counts nothing.
// None looks a label up, because some run for each delivery: New resolves all of them.
type Metrics struct {
	// Connections.
	connections, deliveries map[string]series
	subscriptions           prometheus.Gauge
	waiting                 prometheus.Gauge
	resets                  map[string]prometheus.Counter
	errors                  map[protocol.Code]prometheus.Counter
	refused                 map[string]prometheus.Counter

	// The feed.
	batches      prometheus.Counter
	batchChanges prometheus.Histogram
	delay        prometheus.Histogram

	// The backend.
	withheld     prometheus.Counter
	faults       map[string]prometheus.Counter
	commitWrites prometheus.Histogram
	commitQueue  prometheus.Gauge

	registry prometheus.Registerer
}

// series is one door's gauge of open connections, or its counter of deliveries.
type series interface{ Add(float64) }

// New registers the metrics of one gateway. It panics when r has them already.
func New(r prometheus.Registerer) *Metrics {
	connections := gauges(r, "secondgate_connections", "Connections open, by door.", "door")
	deliveries := counters(
		r, "secondgate_deliveries_total",
		"Changes handed to connections to be sent, by door. Resets and replays of all documents do not count.",
		"door",
	)
	resets := counters(r, "secondgate_resets_total",
		"Connections told that their copies are void, by reason.", "reason")
	errors := counters(r, "secondgate_errors_total",
		"Requests and connections refused or failed, by code.", "code")
	refused := counters(r, "secondgate_refused_total",
		"Requests and connections refused because a limit was reached, by limit.", "limit")
	faults := counters(r, "secondgate_database_faults_total",
		"Calls of the database that failed by no fault of a client, by operation.", "operation")
	m := &Metrics{
		connections: map[string]series{}, deliveries: map[string]series{},
		subscriptions: gauge(r, "secondgate_subscriptions",
			"Connections that follow a scope, those that are just being opened included."),
		waiting: gauge(r, "secondgate_requests_waiting",
			"Requests that sockets have sent and nothing executes yet."),
		resets: map[string]prometheus.Counter{}, errors: map[protocol.Code]prometheus.Counter{},
		refused: map[string]prometheus.Counter{},
		batches: counter(r, "secondgate_feed_batches_total",
			"Batches of commits taken from the database's feed, empty ones included."),
		batchChanges: histogram(r, "secondgate_feed_batch_changes",
			"Changes in each batch taken from the feed.", prometheus.ExponentialBuckets(1, 4, 8)),
		delay: histogram(r, "secondgate_feed_delay_seconds",
			"Time from a write of this process to the feed delivering it, sampled: one write at a time.",
			prometheus.ExponentialBuckets(0.0005, 4, 9)),
		withheld: counter(r, "secondgate_withheld_documents_total",
			"Documents that another program wrote and the JSON rules refuse, each about once."),
		commitWrites: histogram(r, "secondgate_commit_writes",
			"Requests that were made durable together by one commit of this process.",
			prometheus.ExponentialBuckets(1, 2, 9)),
		commitQueue: gauge(r, "secondgate_commit_waiting",
			"Requests that waited to be written when the last commit of this process was made."),
		faults: map[string]prometheus.Counter{}, registry: r,
	}
	for _, operation := range []string{"read", "write"} {
		m.faults[operation] = faults.WithLabelValues(operation)
	}
	for _, door := range []string{Socket, Stream, MCP} {
		m.connections[door] = connections.WithLabelValues(door)
		m.deliveries[door] = deliveries.WithLabelValues(door)
	}
	for _, reason := range []string{protocol.ResetExpired, protocol.ResetTooMuch, protocol.ResetLost} {
		m.resets[reason] = resets.WithLabelValues(reason)
	}
	for _, limit := range []string{
		LimitConnections, LimitUser, LimitAddress, LimitRequests, LimitBytes, LimitTickets,
		LimitDocuments, LimitScopeBytes,
	} {
		m.refused[limit] = refused.WithLabelValues(limit)
	}
	for _, info := range protocol.Codes {
		m.errors[info.Code] = errors.WithLabelValues(string(info.Code))
	}
	return m
}

// Hub is what metrics read from the hub when they are scraped.
type Hub interface {
	Lag(now time.Time) time.Duration
	// LogStats returns how much all scopes' logs hold.
	LogStats() (entries, bytes int)
}

// Observe shows a hub's lag and logs. It may be called once.
func (m *Metrics) Observe(h Hub) {
	if m == nil {
		return
	}
	gauge := m.observed
	gauge(
		"secondgate_feed_lag_seconds",
		"Time for which the feed is known to be behind: it is broken, or has not delivered a write of this "+
			"process yet. "+
			"0 when neither is known; commits of other processes that nobody has looked for yet do not show.",
		func() float64 { return h.Lag(time.Now()).Seconds() },
	)
	gauge("secondgate_log_bytes", "Bytes of changes that are kept for followers, over all scopes.",
		func() float64 { _, bytes := h.LogStats(); return float64(bytes) })
	gauge("secondgate_log_entries", "Batches of changes that are kept for followers, over all scopes.",
		func() float64 { entries, _ := h.LogStats(); return float64(entries) })
}

// ObserveHeld shows how many bytes are held for clients. It may be called once.
func (m *Metrics) ObserveHeld(held func() int) {
	if m == nil {
		return
	}
	m.observed("secondgate_held_bytes",
		"Bytes held for clients: what has not arrived whole, waits to be carried out, is read or is not yet sent.",
		func() float64 { return float64(held()) })
}

// observed is a gauge that is asked for its value.
func (m *Metrics) observed(name, help string, value func() float64) {
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value))
}

// Connected counts a door's open connections up or down.
func (m *Metrics) Connected(door string, by float64) {
	if m != nil {
		m.connections[door].Add(by)
	}
}

// Delivered counts changes handed to a connection.
func (m *Metrics) Delivered(door string, changes int) {
	if m != nil && changes > 0 {
		m.deliveries[door].Add(float64(changes))
	}
}

// Followed counts subscriptions up or down.
func (m *Metrics) Followed(by float64) {
	if m != nil {
		m.subscriptions.Add(by)
	}
}

// Queued counts waiting requests up or down.
func (m *Metrics) Queued(by int) {
	if m != nil {
		m.waiting.Add(float64(by))
	}
}

// Batch counts a batch of the feed.
func (m *Metrics) Batch(changes int) {
	if m != nil {
		m.batches.Inc()
		m.batchChanges.Observe(float64(changes))
	}
}

// FeedDelay notes how long the feed took to deliver a write of this process.
func (m *Metrics) FeedDelay(d time.Duration) {
	if m != nil {
		m.delay.Observe(d.Seconds())
	}
}

// Reset counts a reason, one of the protocol's Reset constants.
func (m *Metrics) Reset(reason string) {
	if m == nil {
		return
	}
	if c := m.resets[reason]; c != nil {
		c.Inc()
	}
}

// Failed counts an error; nil is none.
func (m *Metrics) Failed(e *protocol.Error) {
	if m == nil || e == nil {
		return
	}
	if c := m.errors[e.Code]; c != nil {
		c.Inc()
	}
}

// Limited counts a request or connection that a limit refused.
func (m *Metrics) Limited(limit string) {
	if m != nil {
		m.refused[limit].Inc()
	}
}

// DatabaseFault counts a "read" or a "write" that the database failed.
func (m *Metrics) DatabaseFault(operation string) {
	if m != nil {
		m.faults[operation].Inc()
	}
}

// Withheld counts a document that a backend does not show. It is one of the backend's options.
func (m *Metrics) Withheld(protocol.Ref) {
	if m != nil {
		m.withheld.Inc()
	}
}

// Committed counts a commit of so many requests, and how many waited meanwhile. It is one of the
// backend's options.
func (m *Metrics) Committed(requests, waiting int) {
	if m != nil {
		m.commitWrites.Observe(float64(requests))
		m.commitQueue.Set(float64(waiting))
	}
}
