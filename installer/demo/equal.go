package demo

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"lessor.dk/portalsync/installer/compare"
)

// The time between two comparisons, because the last changes may be on their way, and of all of them.
const (
	settleEvery = 500 * time.Millisecond
	settleTime  = time.Minute
)

// compare holds the store against the main system until they are equal or ctx ends. It returns how much
// was compared, or what differs.
func (s *scene) compare(ctx context.Context) (string, error) {
	a := s.status(ctx)
	c, err := compare.Open(s.source, "sqlite:"+s.path("data", "portal.db"), a.Tenant, a.Stream)
	if err != nil {
		return "", err
	}
	defer c.Close()
	for {
		results, err := c.Run(ctx)
		if err != nil {
			return "", err
		}
		figure, differences := summary(results)
		if differences == nil {
			return figure, nil
		}
		if err := pause(ctx, settleEvery); err != nil {
			return figure, differences
		}
	}
}

// settled is compare for a main system that nobody writes to: what differs after a while will differ for ever.
func (s *scene) settled(ctx context.Context) (string, error) {
	ctx, stop := context.WithTimeout(ctx, settleTime)
	defer stop()
	return s.compare(ctx)
}

// summary counts what was compared; its error names what differs.
func summary(results []compare.Result) (string, error) {
	rows, fields := 0, 0
	var wrong []error
	for _, r := range results {
		rows, fields = rows+r.Rows, fields+r.Fields
		if !r.Equal() {
			wrong = append(wrong, fmt.Errorf("%s: %d rows missing, %d too many, %d differ: %s",
				r.Kind, r.Missing, r.Extra, r.Differing, strings.Join(r.Differences, "; ")))
		}
	}
	return fmt.Sprintf("%d rows, %d fields, %d record kinds", rows, fields, len(results)), errors.Join(wrong...)
}
