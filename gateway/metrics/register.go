package metrics

import "github.com/prometheus/client_golang/prometheus"

func registered[C prometheus.Collector](r prometheus.Registerer, c C) C {
	r.MustRegister(c)
	return c
}

func gauge(r prometheus.Registerer, name, help string) prometheus.Gauge {
	return registered(r, prometheus.NewGauge(prometheus.GaugeOpts{Name: name, Help: help}))
}

func gauges(r prometheus.Registerer, name, help, label string) *prometheus.GaugeVec {
	options := prometheus.GaugeOpts{Name: name, Help: help}
	return registered(r, prometheus.NewGaugeVec(options, []string{label}))
}

func counter(r prometheus.Registerer, name, help string) prometheus.Counter {
	return registered(r, prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help}))
}

func counters(r prometheus.Registerer, name, help, label string) *prometheus.CounterVec {
	options := prometheus.CounterOpts{Name: name, Help: help}
	return registered(r, prometheus.NewCounterVec(options, []string{label}))
}

func histogram(r prometheus.Registerer, name, help string, buckets []float64) prometheus.Histogram {
	options := prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets}
	return registered(r, prometheus.NewHistogram(options))
}
