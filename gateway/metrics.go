package gateway

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/secondgate/secondgate/protocol"
)

// The doors that keep connections, as metrics name them.
const (
	doorSocket = "socket"
	doorStream = "stream"
)

// Metrics counts what a Gateway does. All its methods may be called on nil, which counts nothing, and none looks a
// label up: everything is resolved once, because some run for each delivery.
type Metrics struct {
	connections, deliveries map[string]series
	subscriptions           prometheus.Gauge
	waiting                 prometheus.Gauge
	batches                 prometheus.Counter
	batchChanges            prometheus.Histogram
	delay                   prometheus.Histogram
	resets                  map[string]prometheus.Counter
	errors                  map[protocol.Code]prometheus.Counter
	withheld                prometheus.Counter
	commitWrites            prometheus.Histogram
	commitQueue             prometheus.Gauge
	registry                prometheus.Registerer
}

// series is one door's: a gauge of what is open, or a counter of what was sent.
type series interface{ Add(float64) }

// NewMetrics registers the gateway's metrics, which one Gateway may then use. It panics when r has them already.
func NewMetrics(r prometheus.Registerer) *Metrics {
	connections := gauges(r, "secondgate_connections", "Connections open, by door.", "door")
	deliveries := counters(r, "secondgate_deliveries_total", "Changes handed to connections to be sent, by door. Resets and replays of all documents do not count.", "door")
	resets := counters(r, "secondgate_resets_total", "Connections told that their copies are void, by reason.", "reason")
	errors := counters(r, "secondgate_errors_total", "Requests and connections refused or failed, by code.", "code")
	m := &Metrics{
		connections:   map[string]series{},
		deliveries:    map[string]series{},
		subscriptions: gauge(r, "secondgate_subscriptions", "Connections that follow a scope, those that are just being opened included."),
		waiting:       gauge(r, "secondgate_requests_waiting", "Requests that sockets have sent and nothing executes yet."),
		batches:       counter(r, "secondgate_feed_batches_total", "Batches of commits taken from the database's feed, empty ones included."),
		batchChanges: histogram(r, "secondgate_feed_batch_changes", "Changes in each batch taken from the feed.",
			prometheus.ExponentialBuckets(1, 4, 8)),
		delay: histogram(r, "secondgate_feed_delay_seconds", "Time from a write of this process being carried out to the feed having told it, sampled: one write at a time.",
			prometheus.ExponentialBuckets(0.0005, 4, 9)),
		resets:   map[string]prometheus.Counter{},
		errors:   map[protocol.Code]prometheus.Counter{},
		withheld: counter(r, "secondgate_withheld_documents_total", "Documents that another program wrote and the JSON rules refuse, each about once."),
		commitWrites: histogram(r, "secondgate_commit_writes", "Requests that were made durable together by one commit of this process.",
			prometheus.ExponentialBuckets(1, 2, 9)),
		commitQueue: gauge(r, "secondgate_commit_waiting", "Requests that waited to be written when the last commit of this process was made."),
		registry:    r,
	}
	for _, door := range []string{doorSocket, doorStream} {
		m.connections[door], m.deliveries[door] = connections.WithLabelValues(door), deliveries.WithLabelValues(door)
	}
	for _, reason := range []string{ResetExpired, ResetTooMuch, ResetLost} {
		m.resets[reason] = resets.WithLabelValues(reason)
	}
	for _, info := range protocol.Codes {
		m.errors[info.Code] = errors.WithLabelValues(string(info.Code))
	}
	return m
}

// follow has a hub's lag and logs shown. They are read when somebody scrapes.
func (m *Metrics) follow(h *Hub) {
	if m == nil {
		return
	}
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "secondgate_feed_lag_seconds",
		Help: "Time for which the feed is known to be behind: it is broken, or has not told a write of this process yet. 0 when neither is known; commits of other processes that nobody has looked for yet do not show.",
	}, func() float64 { return h.Lag(time.Now()).Seconds() }))
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "secondgate_log_bytes", Help: "Bytes of changes that are kept for followers, over all scopes.",
	}, func() float64 { return float64(h.logSize().bytes) }))
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "secondgate_log_entries", Help: "Batches of changes that are kept for followers, over all scopes.",
	}, func() float64 { return float64(h.logSize().entries) }))
}

func (m *Metrics) connected(door string, by float64) {
	if m != nil {
		m.connections[door].Add(by)
	}
}

func (m *Metrics) delivered(door string, changes int) {
	if m != nil && changes > 0 {
		m.deliveries[door].Add(float64(changes))
	}
}

func (m *Metrics) followed(by float64) {
	if m != nil {
		m.subscriptions.Add(by)
	}
}

func (m *Metrics) queued(by int) {
	if m != nil {
		m.waiting.Add(float64(by))
	}
}

func (m *Metrics) batch(changes int) {
	if m != nil {
		m.batches.Inc()
		m.batchChanges.Observe(float64(changes))
	}
}

func (m *Metrics) told(after time.Duration) {
	if m != nil {
		m.delay.Observe(after.Seconds())
	}
}

// reset counts a reason, which must be one of the Reset constants.
func (m *Metrics) reset(reason string) {
	if m == nil {
		return
	}
	if c := m.resets[reason]; c != nil {
		c.Inc()
	}
}

// failed counts an error, if there is one.
func (m *Metrics) failed(e *protocol.Error) {
	if m == nil || e == nil {
		return
	}
	if c := m.errors[e.Code]; c != nil {
		c.Inc()
	}
}

// Withheld counts a document that a backend does not show: for the backend's options.
func (m *Metrics) Withheld(protocol.Ref) {
	if m != nil {
		m.withheld.Inc()
	}
}

// Committed counts a commit of so many requests, and how many waited meanwhile: for the backend's options.
func (m *Metrics) Committed(requests, waiting int) {
	if m != nil {
		m.commitWrites.Observe(float64(requests))
		m.commitQueue.Set(float64(waiting))
	}
}

func registered[C prometheus.Collector](r prometheus.Registerer, c C) C {
	r.MustRegister(c)
	return c
}

func gauge(r prometheus.Registerer, name, help string) prometheus.Gauge {
	return registered(r, prometheus.NewGauge(prometheus.GaugeOpts{Name: name, Help: help}))
}

func gauges(r prometheus.Registerer, name, help, label string) *prometheus.GaugeVec {
	return registered(r, prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: help}, []string{label}))
}

func counter(r prometheus.Registerer, name, help string) prometheus.Counter {
	return registered(r, prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help}))
}

func counters(r prometheus.Registerer, name, help, label string) *prometheus.CounterVec {
	return registered(r, prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, []string{label}))
}

func histogram(r prometheus.Registerer, name, help string, buckets []float64) prometheus.Histogram {
	return registered(r, prometheus.NewHistogram(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets}))
}
