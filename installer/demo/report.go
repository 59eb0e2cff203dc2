package demo

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// How the portal says where a report is.
const (
	fetchingWords = "Hentes af lønsystemet"
	receivedWords = "Modtaget i løn"
	takenWords    = "Behandlet i løn"
)

// report sends an absence to an agent whose own messages do not arrive, kills it when the row is in the main system,
// and looks for the one row and payroll's verdict. The acknowledgement cannot have been sent: what the agent sent since
// the report was submitted is kept at the gate and thrown away, and the portal says so.
func (p *proof) report(ctx context.Context) (string, error) {
	g, err := openGate(ctx)
	if err != nil {
		return "", err
	}
	registration, err := p.unacknowledged(ctx, g)
	if err = errors.Join(err, g.close()); err != nil {
		return "", err
	}
	page, err := p.browser.get(ctx, registration)
	if err == nil && (!strings.Contains(page, fetchingWords) || strings.Contains(page, receivedWords)) {
		err = errors.New("the portal shows the report as received, so an acknowledgement was sent")
	}
	if err != nil {
		return "", err
	}
	if err := errors.Join(p.settleAgent(""), p.startAgent()); err != nil {
		return "", err
	}
	took, err := p.browser.sees(ctx, registration, takenWords)
	if err != nil {
		return "", err
	}
	all, own, err := p.main.Reports(ctx, reportID(registration))
	if err == nil && (all != 1 || own != 1) {
		err = fmt.Errorf("the main system holds %d reports, %d of this id", all, own)
	}
	return fmt.Sprintf("one row; shown as decided by payroll %.1f s after the kill", took.Seconds()), err
}

func reportID(registration string) string {
	return registration[strings.LastIndexByte(registration, '/')+1:]
}

// unacknowledged submits a report, lets the agent write it into the main system, and kills the agent before anything
// that it sent since then has arrived.
func (p *proof) unacknowledged(ctx context.Context, g *gate) (registration string, err error) {
	if err := errors.Join(p.capturing.Stop(), p.settleAgent(g.URL()), p.startAgent()); err != nil {
		return "", err
	}
	if err := p.holdWhileItListens(ctx, g); err != nil {
		return "", err
	}
	first := time.Now().AddDate(1, 1, 0)
	for first.Weekday() != time.Monday {
		first = first.AddDate(0, 0, 1)
	}
	registration, err = p.browser.reportAbsence(ctx, "F", first.Format(time.DateOnly), first.AddDate(0, 0, 2).Format(time.DateOnly))
	if err != nil {
		return "", err
	}
	err = p.capturing.Await(ctx, func(ctx context.Context) (bool, error) {
		_, own, err := p.main.Reports(ctx, reportID(registration))
		return own > 0, err
	})
	if err != nil {
		return "", fmt.Errorf("wait for the report in the main system: %w", err)
	}
	return registration, p.capturing.Kill()
}

// listenTime is how long everything that was under way when the gate closed may take to settle.
const listenTime = 2 * time.Second

// holdWhileItListens closes the gate at a moment when the agent's check-in waits at the receiver and nothing is queued
// that would answer it: then the next answer is the report.
func (p *proof) holdWhileItListens(ctx context.Context, g *gate) error {
	for {
		g.hold()
		settled, stop := context.WithTimeout(ctx, listenTime)
		err := p.receiving.Await(settled, func(ctx context.Context) (bool, error) {
			listens, err := p.metric(ctx, "portalsync_ingest_long_polls")
			if err != nil || listens != "1" {
				return false, nil //nolint:nilerr // the receiver is asked again until the time is over
			}
			queued, err := p.metric(ctx, "portalsync_queue_entries")
			return err == nil && queued == "0", nil
		})
		stop()
		if err == nil {
			return nil
		}
		g.release() // the check-in was on its way: another moment
		if ctx.Err() != nil {
			return fmt.Errorf("wait for a check-in that waits: %w", err)
		}
		if err := pause(ctx, waitStep); err != nil {
			return err
		}
	}
}

// metric returns one value of the receiver's metrics.
func (p *proof) metric(ctx context.Context, name string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.receiver.Admin+"/metrics", http.NoBody)
	if err != nil {
		return "", fmt.Errorf("ask for metrics: %w", err)
	}
	resp, err := new(http.Client).Do(req)
	if err != nil {
		return "", fmt.Errorf("ask for metrics: %w", err)
	}
	defer resp.Body.Close()
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		if value, ok := strings.CutPrefix(lines.Text(), name+" "); ok {
			return value, nil
		}
	}
	return "", fmt.Errorf("the receiver has no metric %s", name)
}
