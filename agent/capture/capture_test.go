package capture_test

import (
	"maps"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lessor.dk/portalsync/agent/capture"
	"lessor.dk/portalsync/protocol"
)

const tenant, stream = 7, 42

// bench is one main system, one portal and the capture between them.
type bench struct {
	t   *testing.T
	src *mainSystem
	to  *portal
	c   *capture.Capture
}

func newBench(t *testing.T, kinds ...string) *bench {
	t.Helper()
	b := &bench{t: t, src: newMainSystem(t, kinds...), to: newPortal(t)}
	b.restart()
	return b
}

// restart is a new process: nothing is remembered.
func (b *bench) restart() {
	b.c = capture.New(b.src, b.to, capture.Config{Tenant: tenant, Stream: stream})
}

// settle steps until nothing moves, and fails if that does not happen.
func (b *bench) settle() {
	b.t.Helper()
	for range 1000 {
		worked, err := b.c.Step(b.t.Context())
		if err != nil {
			b.t.Fatalf("step: %v", err)
		}
		if !worked {
			return
		}
	}
	b.t.Fatal("still moving after 1000 steps")
}

// step does n steps that may fail.
func (b *bench) step(n int) {
	for range n {
		_, _ = b.c.Step(b.t.Context())
	}
}

// equal checks that the portal holds what the main system holds.
func (b *bench) equal() {
	b.t.Helper()
	for _, k := range b.src.planned {
		if diff := cmp.Diff(b.src.names(k.Record.Name), b.to.names(k.Record.Name)); diff != "" {
			b.t.Errorf("%s differs (-main system +portal):\n%s", k.Record.Name, diff)
		}
		if got := b.to.state(k.Record.Name); got != protocol.KindOK {
			b.t.Errorf("%s is %s, want ok", k.Record.Name, got)
		}
	}
}

func TestLoadsAndFollows(t *testing.T) {
	b := newBench(t, "department", "employee")
	b.src.put("department", "Løn", "D1", "D2")
	b.src.put("employee", "Aase", "E1", "E2", "E3")
	b.settle()
	b.equal()
	if got := len(b.to.opens); got != 1 {
		t.Errorf("opens = %d, want 1", got)
	}

	b.src.put("employee", "Birgit", "E2", "E4")
	b.src.remove("employee", "E1")
	b.src.move("department", "D2", "D9")
	b.settle()
	b.equal()
	if got, want := b.c.Status().State, "following"; got != want {
		t.Errorf("state = %q, want %q", got, want)
	}
}

func TestIdleSendsNothing(t *testing.T) {
	b := newBench(t, "department")
	b.src.put("department", "Løn", "D1")
	b.settle()
	before := len(b.to.headers)
	b.settle()
	b.settle()
	if got := len(b.to.headers); got != before {
		t.Errorf("batches = %d after %d, want none from an idle main system", got, before)
	}
}

func TestRestartResumesFromTheCheckpoint(t *testing.T) {
	b := newBench(t, "department")
	b.src.put("department", "Løn", "D1")
	b.settle()
	before := len(b.to.headers)
	b.restart()
	b.settle()
	if got := len(b.to.headers); got != before {
		t.Errorf("batches = %d after a restart, want the %d of before", got, before)
	}
	b.src.put("department", "Løn", "D2")
	b.settle()
	b.equal()
}

// keysOf returns n keys in order.
func keysOf(n int) []string {
	keys := make([]string, n)
	for i := range keys {
		keys[i] = string([]byte{'K', byte('0' + i/10000%10), byte('0' + i/1000%10), byte('0' + i/100%10), byte('0' + i/10%10), byte('0' + i%10)})
	}
	return keys
}

func (b *bench) rows(kind string) int { return len(maps.Clone(b.to.names(kind))) }
