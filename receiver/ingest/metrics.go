package ingest

import (
	"context"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics counts what agents did. No label names a tenant: the number of series stays small.
type metrics struct {
	batches *prometheus.CounterVec
	refused *prometheus.CounterVec
	bytes   prometheus.Counter
	waiting prometheus.Gauge
}

func newMetrics(q Queue, reg prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		batches: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "portalsync_ingest_batches_total", Help: "Batches by what the queue said: accepted, duplicate, gap, full.",
		}, []string{"outcome"}),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "portalsync_ingest_refused_total", Help: "Requests refused, by code.",
		}, []string{"code"}),
		bytes: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "portalsync_ingest_accepted_bytes_total", Help: "Sealed bytes of accepted batches.",
		}),
		waiting: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "portalsync_ingest_long_polls", Help: "Check-ins that wait for news.",
		}),
	}
	if reg == nil {
		return m, nil
	}
	for _, c := range []prometheus.Collector{m.batches, m.refused, m.bytes, m.waiting, depthCollector(q)} {
		if err := reg.Register(c); err != nil {
			return nil, fmt.Errorf("register metrics: %w", err)
		}
	}
	return m, nil
}

// depth asks the queue what waits, once per scrape.
type depth struct {
	queue   Queue
	entries *prometheus.Desc
	bytes   *prometheus.Desc
}

func depthCollector(q Queue) *depth {
	return &depth{
		queue:   q,
		entries: prometheus.NewDesc("portalsync_queue_entries", "Batches that wait to be applied.", nil, nil),
		bytes:   prometheus.NewDesc("portalsync_queue_bytes", "Sealed bytes that wait to be applied.", nil, nil),
	}
}

// Describe names the metrics.
func (d *depth) Describe(out chan<- *prometheus.Desc) {
	out <- d.entries
	out <- d.bytes
}

// Collect counts. A queue that cannot be asked has no depth to show: the series are missing then.
func (d *depth) Collect(out chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	now, err := d.queue.Depth(ctx)
	if err != nil {
		return
	}
	out <- prometheus.MustNewConstMetric(d.entries, prometheus.GaugeValue, float64(now.Entries))
	out <- prometheus.MustNewConstMetric(d.bytes, prometheus.GaugeValue, float64(now.Bytes))
}
