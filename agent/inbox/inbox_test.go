package inbox

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"lessor.dk/portalsync/agent/source"
	"lessor.dk/portalsync/protocol"
)

// mainSystem keeps reports by id and fails as often as it is told.
type mainSystem struct {
	rows  map[protocol.ReportID]int
	tries []protocol.ReportID
	fail  func(protocol.Report) error
}

func (m *mainSystem) Deliver(_ context.Context, r protocol.Report) (protocol.Ack, error) {
	m.tries = append(m.tries, r.ID)
	if m.fail != nil {
		if err := m.fail(r); err != nil {
			return protocol.Ack{}, err
		}
	}
	m.rows[r.ID] = 1
	return protocol.Ack{ID: r.ID, Outcome: protocol.AckStored, Position: 7}, nil
}

func open(s protocol.SealedReport) (protocol.Report, error) {
	if string(s.Sealed) == "broken" {
		return protocol.Report{}, errors.New("sealed to another key")
	}
	return protocol.Report{ID: protocol.ReportID(s.Sealed)}, nil
}

func sealed(ids ...string) (list []protocol.SealedReport) {
	for _, id := range ids {
		list = append(list, protocol.SealedReport{ID: protocol.ReportID(id), Sealed: []byte(id)})
	}
	return list
}

// run starts an inbox in a bubble and lets steps act on it.
func run(t *testing.T, main *mainSystem, ack func(context.Context, []protocol.Ack) error, cfg Config, steps func(*Inbox)) {
	synctest.Test(t, func(t *testing.T) {
		main.rows = map[protocol.ReportID]int{}
		ctx, cancel := context.WithCancel(t.Context())
		i := New(main, open, ack, cfg)
		done := make(chan error)
		go func() { done <- i.Run(ctx) }()
		steps(i)
		synctest.Wait()
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run = %v, want nil", err)
		}
	})
}

// letPass lets time pass in the bubble, and all that happens then happen.
func letPass(d time.Duration) {
	time.Sleep(d) //nolint:forbidigo // the bubble's clock, for which nobody waits
	synctest.Wait()
}

func TestReportsAreDeliveredAndAcknowledged(t *testing.T) {
	var main mainSystem
	var acked []protocol.ReportID
	ack := func(_ context.Context, acks []protocol.Ack) error {
		for _, a := range acks {
			acked = append(acked, a.ID)
		}
		return nil
	}
	run(t, &main, ack, Config{}, func(i *Inbox) {
		i.Receive(t.Context(), sealed("a", "b"))
		i.Receive(t.Context(), sealed("b", "c"))
		synctest.Wait()
		if s := i.Status(); s.Delivered != 3 || s.Waiting != 0 || s.Err != nil {
			t.Errorf("status = %+v", s)
		}
	})
	if want := []protocol.ReportID{"a", "b", "c"}; !cmp.Equal(acked, want) || !cmp.Equal(main.tries, want) {
		t.Errorf("tried %v, acknowledged %v, want %v", main.tries, acked, want)
	}
}

func TestABusyMainSystemIsTriedAgain(t *testing.T) {
	until := 0
	main := mainSystem{fail: func(protocol.Report) error {
		if until++; until < 5 {
			return errors.New("busy")
		}
		return nil
	}}
	acked := 0
	ack := func(_ context.Context, acks []protocol.Ack) error { acked += len(acks); return nil }
	run(t, &main, ack, Config{Backoff: time.Second}, func(i *Inbox) {
		began := time.Now()
		i.Receive(t.Context(), sealed("a"))
		synctest.Wait()
		if s := i.Status(); s.Err == nil || !strings.Contains(s.Err.Error(), "busy") || !s.Since.Equal(began) {
			t.Errorf("status while busy = %+v", s)
		}
		letPass(16 * time.Second) // 1 + 2 + 4 + 8 at most
		if s := i.Status(); s.Err != nil || s.Delivered != 1 || i.Wait() != nil {
			t.Errorf("status after = %+v", s)
		}
	})
	if len(main.tries) != 5 || acked != 1 {
		t.Errorf("%d tries, %d acknowledged, want 5 and 1", len(main.tries), acked)
	}
}

func TestOneReportDoesNotHoldUpTheOthers(t *testing.T) {
	tests := map[string]struct {
		bad  protocol.SealedReport
		fail func(protocol.Report) error
	}{
		"that the main system cannot take": {
			bad:  protocol.SealedReport{ID: "bad", Sealed: []byte("bad")},
			fail: func(r protocol.Report) error { return map[bool]error{true: errors.New("no inbox")}[r.ID == "bad"] },
		},
		"that cannot be opened":   {bad: protocol.SealedReport{ID: "bad", Sealed: []byte("broken")}},
		"that holds another's id": {bad: protocol.SealedReport{ID: "bad", Sealed: []byte("other")}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			main := mainSystem{fail: tt.fail}
			ack := func(context.Context, []protocol.Ack) error { return nil }
			run(t, &main, ack, Config{}, func(i *Inbox) {
				i.Receive(t.Context(), append([]protocol.SealedReport{tt.bad}, sealed("a", "b")...))
				letPass(time.Minute)
				if s := i.Status(); s.Delivered != 2 || s.Waiting != 1 {
					t.Errorf("status = %+v, want two delivered and one waiting", s)
				}
			})
		})
	}
}

func TestWhyReportsWaitHasACode(t *testing.T) {
	fails := func(err error) func(protocol.Report) error { return func(protocol.Report) error { return err } }
	tests := map[string]struct {
		report protocol.SealedReport
		fail   func(protocol.Report) error
		ack    error
		want   string
	}{
		"the main system is busy":              {fail: fails(fmt.Errorf("deliver: %w", source.ErrBusy)), want: "source-busy"},
		"the main system is gone":              {fail: fails(fmt.Errorf("deliver: %w", source.ErrGone)), want: "source-gone"},
		"the main system wants it later":       {fail: fails(fmt.Errorf("procedure Tag: status 7: %w", source.ErrLater)), want: "report-later"},
		"the main system answers with another": {fail: fails(errors.New("no such table: indbakke")), want: "report-not-taken"},
		"it is sealed to another key":          {report: protocol.SealedReport{ID: "a", Sealed: []byte("broken")}, want: "report-sealed"},
		"the portal cannot be told":            {ack: errors.New("no signed answer"), want: "report-unacknowledged"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			main := mainSystem{fail: tt.fail}
			ack := func(context.Context, []protocol.Ack) error { return tt.ack }
			run(t, &main, ack, Config{}, func(i *Inbox) {
				if got := i.Wait(); got != nil {
					t.Errorf("before any report: %+v", got)
				}
				report := tt.report
				if report.ID == "" {
					report = sealed("a")[0]
				}
				began := time.Now()
				i.Receive(t.Context(), []protocol.SealedReport{report})
				synctest.Wait()
				got := i.Wait()
				if got == nil || got.Code != tt.want || got.Waiting != 1 || got.Since != began.UnixMilli() || got.Sentence == "" {
					t.Errorf("waits because %+v, want %s of one report", got, tt.want)
				}
			})
		})
	}
}

func TestALostAcknowledgementIsSentAgain(t *testing.T) {
	var main mainSystem
	calls := 0
	ack := func(context.Context, []protocol.Ack) error {
		if calls++; calls == 1 {
			return errors.New("no signed answer")
		}
		return nil
	}
	run(t, &main, ack, Config{}, func(i *Inbox) {
		i.Receive(t.Context(), sealed("a"))
		letPass(time.Minute)
		if s := i.Status(); s.Delivered != 1 || s.Waiting != 0 {
			t.Errorf("status = %+v", s)
		}
	})
	if len(main.tries) != 2 {
		t.Errorf("%d tries, want 2", len(main.tries))
	}
}

func TestTheNumberHeldIsBounded(t *testing.T) {
	i := New(&mainSystem{}, open, nil, Config{Limit: 10})
	for n := range 30 {
		i.Receive(t.Context(), sealed(fmt.Sprint(n)))
	}
	if got := i.Status().Waiting; got != 10 {
		t.Errorf("%d held, want 10", got)
	}
}
