package source

import (
	"testing"
	"time"
	_ "time/tzdata" // the zone of the tests
)

func TestQuiet(t *testing.T) {
	zone, err := time.LoadLocation("Europe/Copenhagen")
	if err != nil {
		t.Fatal(err)
	}
	hours := func(from, to int) Window {
		return Window{From: time.Duration(from) * time.Hour, To: time.Duration(to) * time.Hour}
	}
	night := []Window{hours(22, 2), hours(6, 8)}
	tests := map[string]struct {
		windows []Window
		now     string // UTC
		want    string // UTC; empty is not quiet
	}{
		"none":                                      {nil, "2026-07-01T04:30:00Z", ""},
		"before a window":                           {night, "2026-07-01T03:59:59Z", ""},
		"its first moment":                          {night, "2026-07-01T04:00:00Z", "2026-07-01T06:00:00Z"},
		"its last moment":                           {night, "2026-07-01T05:59:59.9Z", "2026-07-01T06:00:00Z"},
		"its end":                                   {night, "2026-07-01T06:00:00Z", ""},
		"the evening of a night":                    {night, "2026-07-01T20:30:00Z", "2026-07-02T00:00:00Z"},
		"the morning of a night":                    {night, "2026-07-01T23:30:00Z", "2026-07-02T00:00:00Z"},
		"after a night":                             {night, "2026-07-02T00:00:00Z", ""},
		"windows that follow each other":            {[]Window{hours(6, 8), hours(8, 9)}, "2026-07-01T04:30:00Z", "2026-07-01T07:00:00Z"},
		"windows that overlap":                      {[]Window{hours(6, 9), hours(7, 8)}, "2026-07-01T05:30:00Z", "2026-07-01T07:00:00Z"},
		"a window that ends in the hour left out":   {[]Window{{From: time.Hour, To: 150 * time.Minute}}, "2026-03-29T00:30:00Z", "2026-03-29T01:30:00Z"},
		"the hour shown twice, the first time":      {[]Window{{From: time.Hour, To: 150 * time.Minute}}, "2026-10-25T00:15:00Z", "2026-10-25T00:30:00Z"},
		"the hour shown twice, the second time":     {[]Window{{From: time.Hour, To: 150 * time.Minute}}, "2026-10-25T01:15:00Z", "2026-10-25T01:30:00Z"},
		"a night in which the clock is put back":    {[]Window{hours(1, 5)}, "2026-10-24T23:00:00Z", "2026-10-25T04:00:00Z"},
		"windows that leave nothing, in daylight":   {[]Window{hours(0, 12), hours(12, 0)}, "2026-07-01T04:30:00Z", "2026-07-02T10:00:00Z"},
		"a window of the plan's zone, not of UTC's": {[]Window{hours(6, 8)}, "2026-01-01T05:30:00Z", "2026-01-01T07:00:00Z"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			now, err := time.Parse(time.RFC3339Nano, tt.now)
			if err != nil {
				t.Fatal(err)
			}
			got := Quiet{Zone: zone, Windows: tt.windows}.Until(now)
			if text := got.UTC().Format(time.RFC3339); got.IsZero() != (tt.want == "") || !got.IsZero() && text != tt.want {
				t.Errorf("Until(%s) = %s, want %s", tt.now, text, tt.want)
			}
		})
	}
}
