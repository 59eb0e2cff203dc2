package demo

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"lessor.dk/portalsync/protocol"
)

// agentStatus is what `agent status --json` tells, as far as the demo looks.
type agentStatus struct {
	Tenant  protocol.TenantID    `json:"tenant"`
	Stream  protocol.StreamID    `json:"stream"`
	Capture protocol.AgentStatus `json:"capture"`
	Trouble *protocol.Trouble    `json:"receiver_err"`
}

// following reports whether everything read is in the portal and nothing is left to load.
func (a agentStatus) following() bool {
	return a.Capture.State == "following" && len(a.Capture.Loading) == 0 && a.Capture.BatchesOut == 0
}

// status asks the running agent. One that does not answer yet is the zero status.
func (s *scene) status(ctx context.Context) agentStatus {
	var a agentStatus
	out, err := s.agent.Run(ctx, "", "status", "--json")
	if err != nil || json.Unmarshal([]byte(out), &a) != nil {
		return agentStatus{}
	}
	return a
}

// until asks the agent until the answer is as wanted.
func (s *scene) until(ctx context.Context, wanted func(agentStatus) bool) error {
	return s.capturing.Await(ctx, func(ctx context.Context) (bool, error) { return wanted(s.status(ctx)), nil })
}

// total is about how many rows the main system holds.
func (s *scene) total(ctx context.Context) (int64, error) {
	tx, err := s.source.Begin(ctx)
	if err != nil {
		return 0, err
	}
	defer tx.Close()
	var rows int64
	for _, k := range tx.State().Kinds {
		rows += k.Estimate
	}
	return rows, nil
}

// progressEvery is the time between two lines of progress.
const progressEvery = time.Second

// load shows the first load until the portal has caught up.
func (s *scene) load(ctx context.Context) error {
	total, err := s.total(ctx)
	if err != nil {
		return err
	}
	start := time.Now()
	told := start
	var last agentStatus
	err = s.until(ctx, func(a agentStatus) bool {
		last = a
		if now := time.Now(); now.Sub(told) >= progressEvery {
			told = now
			fmt.Fprintln(s.out, progress(a, total, now.Sub(start)))
		}
		return a.following()
	})
	if err != nil {
		return err
	}
	seconds := time.Since(start).Seconds()
	fmt.Fprintf(s.out, "the portal has caught up: %d rows in %.1f s, %.0f rows/s\n", last.Capture.RowsSent, seconds, float64(last.Capture.RowsSent)/seconds)
	return nil
}

// progress is one line: how far, how fast, how long yet.
func progress(a agentStatus, total int64, elapsed time.Duration) string {
	sent := a.Capture.RowsSent
	rate := float64(sent) / elapsed.Seconds()
	line := fmt.Sprintf("  %d of about %d rows, %.0f rows/s", sent, max(total, sent), rate)
	if rate > 0 && total > sent {
		line += fmt.Sprintf(", %.0f s left", float64(total-sent)/rate)
	}
	for _, l := range a.Capture.Loading {
		if l.Rows > 0 && l.Rows < l.Total {
			line += ", now " + l.Kind
			break
		}
	}
	if a.Trouble != nil && a.Trouble.Until == 0 {
		line += "; " + a.Trouble.Sentence
	}
	return line
}
