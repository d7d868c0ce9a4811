// Package metrics counts what a gateway does, for Prometheus.
//
// A count takes this path: hub, door or backend → a method of [Metrics] → a series that New has
// resolved → the admin listener's /metrics, when somebody scrapes it. Lag and log sizes are read
// from the hub at that time.
package metrics
