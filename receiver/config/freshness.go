package config

import (
	"cmp"
	"time"
)

// Freshness says when an agent, or what it brought, counts as old. The texts are durations such as 90s, 30m or 24h.
type Freshness struct {
	// OfflineText is how long an agent may be silent before it is offline, 1 minute to 24 hours. Default 90s: three
	// check-ins.
	OfflineText string `yaml:"offline_after"`
	// LateText is how long a change may wait before its agent is late, 10 seconds to 24 hours. Default 2m.
	LateText string `yaml:"late_after"`
	// DataLateText is the age from which pages say that numbers may have changed, 1 minute to 30 days. Default 30m.
	DataLateText string `yaml:"data_late_after"`
	// DataStaleText is the age from which they warn of it, not below the one before. Default 24h.
	DataStaleText string `yaml:"data_stale_after"`

	// What the texts say.
	Offline, Late, DataLate, DataStale time.Duration `yaml:"-"`
}

// read fills in defaults and makes durations of the texts.
func (f *Freshness) read(c *Config) error {
	const day = 24 * time.Hour
	for _, s := range []struct {
		key, text, otherwise string
		to                   *time.Duration
		least, most          time.Duration
		limits               string
	}{
		{"offline_after", f.OfflineText, "90s", &f.Offline, time.Minute, day, "1m and 24h"},
		{"late_after", f.LateText, "2m", &f.Late, 10 * time.Second, day, "10s and 24h"},
		{"data_late_after", f.DataLateText, "30m", &f.DataLate, time.Minute, 30 * day, "1m and 720h"},
		{"data_stale_after", f.DataStaleText, "24h", &f.DataStale, time.Minute, 30 * day, "1m and 720h"},
	} {
		d, err := time.ParseDuration(cmp.Or(s.text, s.otherwise))
		if err != nil || d < s.least || d > s.most || d%time.Second != 0 {
			return c.fault("freshness."+s.key, "%q is not a time between %s: write whole seconds, minutes or hours, such as %s", s.text, s.limits, s.otherwise)
		}
		*s.to = d
	}
	if f.DataStale < f.DataLate {
		return c.fault("freshness.data_stale_after", "(%s) is shorter than data_late_after (%s): pages warn of old numbers after they have said that they may have changed", f.DataStale, f.DataLate)
	}
	return nil
}
