package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"lessor.dk/portalsync/installer/demo/company"
)

// proof is a check under way.
type proof struct {
	*scene
	lines io.Writer
	start time.Time

	rows     int64            // of the main system at first, about
	main     *company.Company // as payroll has it open
	life     *errgroup.Group
	still    context.CancelFunc // ends the simulator
	employee Login
	browser  *visitor
}

// proving is one step: its name and what shows it. prove returns what was measured.
type proving struct {
	name  string
	prove func(context.Context) (figure string, err error)
}

func (p *proof) steps() []proving {
	return []proving{
		{"receiver and agent run as processes and have enrolled over HTTPS", p.begin},
		{"agent killed in the middle of the first load, and started again", p.killAgent},
		{"receiver killed in the middle of the first load, with its Redis, and started again", p.killReceiver},
		{"the first load ends", p.loaded},
		{"an employee signs in", p.signIn},
		{"a change in the main system is on the employee's page", p.change},
		{"a report sent twice over HTTP, the agent killed before it could acknowledge it, is in the main system once", p.report},
		{"embedded Redis loses everything while a pay run is on its way", p.loseRedis},
		{"store and main system are equal, row by row and field by field", p.equal},
		{"agent verify finds every record kind equal, by digests alone", p.verified},
		{"both programs stop in order when asked to", p.stop},
	}
}

// begin starts everything, the company's life included: what is proven is proven while things change.
func (p *proof) begin(ctx context.Context) (string, error) {
	var err error
	if p.main, err = p.mainSystem.open(ctx); err != nil {
		return "", err
	}
	p.out = io.Discard
	if err := p.scene.start(ctx); err != nil {
		return "", err
	}
	var life context.Context
	life, p.still = context.WithCancel(context.WithoutCancel(ctx))
	p.life, life = errgroup.WithContext(life)
	p.life.Go(func() error {
		return company.NewSimulator(p.main, company.SimulatorConfig{Every: 150 * time.Millisecond}).Run(life)
	})
	p.rows, err = p.main.Rows(ctx)
	return fmt.Sprintf("%d rows to load, processes %d and %d", p.rows, p.receiving.Pid(), p.capturing.Pid()), err
}

// A program is killed when the agent has sent this part of all rows: the agent early on, the receiver later.
const (
	killAgentAfter    = 25
	killReceiverAfter = 8
)

func (p *proof) killAgent(ctx context.Context) (string, error) {
	a, err := p.loading(ctx, p.rows/killAgentAfter)
	if err != nil {
		return "", err
	}
	if err := p.capturing.Kill(); err != nil {
		return "", err
	}
	return fmt.Sprintf("after %d rows, loading %s", a.Capture.RowsSent, kinds(a)), p.startAgent()
}

func (p *proof) killReceiver(ctx context.Context) (string, error) {
	a, err := p.loading(ctx, p.rows/killReceiverAfter)
	if err != nil {
		return "", err
	}
	if err := p.receiving.Kill(); err != nil {
		return "", err
	}
	return fmt.Sprintf("after %d more rows, %d batches on their way", a.Capture.RowsSent, a.Capture.BatchesOut), p.startReceiver(ctx)
}

// loading waits until the agent has sent so many rows and is still loading.
func (p *proof) loading(ctx context.Context, rows int64) (agentStatus, error) {
	var seen agentStatus
	err := p.until(ctx, func(a agentStatus) bool {
		seen = a
		return a.Capture.RowsSent >= rows || a.following()
	})
	if err == nil && (seen.Capture.State != "loading" || len(seen.Capture.Loading) == 0) {
		err = fmt.Errorf("the load was over before anything could be killed (%d rows, %s)", seen.Capture.RowsSent, seen.Capture.State)
	}
	return seen, err
}

func kinds(a agentStatus) string {
	var names []string
	for _, l := range a.Capture.Loading {
		names = append(names, l.Kind)
	}
	return strings.Join(names[:min(len(names), 3)], ", ")
}

func (p *proof) loaded(ctx context.Context) (string, error) {
	start := time.Now()
	var last agentStatus
	err := p.until(ctx, func(a agentStatus) bool {
		last = a
		return a.following()
	})
	return fmt.Sprintf("%d further rows in %.1f s", last.Capture.RowsSent, time.Since(start).Seconds()), err
}

func (p *proof) signIn(ctx context.Context) (string, error) {
	logins, err := p.logins(ctx)
	if err != nil {
		return "", err
	}
	p.employee = logins[0]
	if p.browser, err = newVisitor(p.receiver.URL(), p.certs); err != nil {
		return "", err
	}
	return "as employee " + p.employee.Employee, p.browser.signIn(ctx, p.employee)
}

func (p *proof) change(ctx context.Context) (string, error) {
	if err := p.main.SetBalance(ctx, p.employee.Employee, "FE", 1731, time.Now()); err != nil {
		return "", err
	}
	took, err := p.browser.sees(ctx, "/home", "17,31")
	return fmt.Sprintf("after %d ms", took.Milliseconds()), err
}

func (p *proof) loseRedis(ctx context.Context) (string, error) {
	redis, err := dialRedis(ctx, p.receiver.Redis)
	if err != nil {
		return "", err
	}
	defer redis.close()
	title, payslips, err := p.main.PayRun(ctx)
	if err != nil {
		return "", err
	}
	start, lost := time.Now(), 0
	for range flushes {
		n, err := redis.flush(ctx)
		if err != nil {
			return "", err
		}
		lost += n
		if err := pause(ctx, flushEvery); err != nil {
			return "", err
		}
	}
	_, err = p.browser.sees(ctx, "/payslips", title)
	return fmt.Sprintf("%d keys lost in %d goes, the last of %d payslips on its page after %.1f s", lost, flushes, payslips, time.Since(start).Seconds()), err
}

// Redis loses everything as often as this, so that some of it happens while batches are queued.
const (
	flushes    = 25
	flushEvery = 20 * time.Millisecond
)

// equal waits until the programs are at rest and compares every row and field.
func (p *proof) equal(ctx context.Context) (string, error) {
	p.quiet()
	if err := p.life.Wait(); err != nil {
		return "", err
	}
	if _, err := p.loaded(ctx); err != nil {
		return "", err
	}
	return p.compare(ctx)
}

// pause waits, or ends with ctx.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// quiet ends the company's life.
func (p *proof) quiet() {
	if p.still != nil {
		p.still()
	}
}

func (p *proof) stop(context.Context) (string, error) {
	if err := errors.Join(p.main.Close(), p.close()); err != nil {
		return "", err
	}
	return "after SIGTERM", nil
}
