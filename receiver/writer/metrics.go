package writer

import (
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics counts what was applied. No label names a tenant: the number of series stays small.
type metrics struct {
	batches *prometheus.CounterVec
	rows    *prometheus.CounterVec
	letters prometheus.Counter
	guarded prometheus.Counter
	lag     prometheus.Histogram
	shards  prometheus.Gauge
}

func newMetrics(reg prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		batches: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "portalsync_writer_batches_total", Help: "Batches by what became of them: applied, dropped, held, waits, failed.",
		}, []string{"outcome"}),
		rows: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "portalsync_writer_rows_total", Help: "Rows by what became of them: changed, unchanged, deleted, swept.",
		}, []string{"what"}),
		letters: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "portalsync_writer_dead_letters_total", Help: "Rows that could not be applied and were set aside.",
		}),
		guarded: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "portalsync_writer_guarded_total", Help: "Times that the delete and blanking guard stopped a record kind.",
		}),
		lag: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "portalsync_writer_lag_seconds", Help: "Age of a batch's data when it was committed, by the agent's clock.",
			Buckets: []float64{0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60, 300, 3600},
		}),
		shards: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "portalsync_writer_shards", Help: "Shards whose lease this process holds.",
		}),
	}
	if reg == nil {
		return m, nil
	}
	for _, c := range []prometheus.Collector{m.batches, m.rows, m.letters, m.guarded, m.lag, m.shards} {
		if err := reg.Register(c); err != nil {
			return nil, fmt.Errorf("register metrics: %w", err)
		}
	}
	return m, nil
}

// count adds an applied batch.
func (m *metrics) count(a *applying, now time.Time) {
	m.rows.WithLabelValues("changed").Add(float64(a.total.Changed))
	m.rows.WithLabelValues("unchanged").Add(float64(a.total.Unchanged))
	m.rows.WithLabelValues("deleted").Add(float64(a.total.Deleted))
	m.letters.Add(float64(a.letters))
	m.lag.Observe(max(now.Sub(time.UnixMilli(a.p.header.CapturedAt)), 0).Seconds())
}
