package capture_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"lessor.dk/portalsync/agent/source"
	"lessor.dk/portalsync/protocol"
)

// quietFor is quiet from a number of minutes after a bubble's first moment, which is a midnight, to another.
func quietFor(from, to int) source.Quiet {
	return source.Quiet{Windows: []source.Window{{From: time.Duration(from) * time.Minute, To: time.Duration(to) * time.Minute}}}
}

// inQuiet runs f with a bench whose kinds are left alone at these times, ten seconds after its capture began.
func inQuiet(t *testing.T, department, employee source.Quiet, f func(b *bench)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, "department", "employee")
		b.src.planned[0].Quiet, b.src.planned[1].Quiet = department, employee
		b.src.put("department", "Løn", "D1")
		b.src.put("employee", "Aase", "E1")
		b.restart()
		defer b.running()()
		b.pass(10 * time.Second)
		f(b)
	})
}

func TestQuietHours(t *testing.T) {
	midnight := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
	t.Run("while every kind rests the main system is not looked at, and followed again at the end", func(t *testing.T) {
		inQuiet(t, quietFor(1, 30), quietFor(1, 20), func(b *bench) {
			b.equal()
			b.pass(time.Minute)
			looks := len(b.src.begins)
			b.src.put("employee", "Birgit", "E2")
			b.pass(18 * time.Minute)
			if got := len(b.src.begins) - looks; got != 0 || b.to.names("employee")["E2"] != "" {
				t.Errorf("%d looks at the main system", got)
			}
			s := b.c.Status()
			want := []protocol.QuietKind{{Kind: "department", Until: midnight.Add(30 * time.Minute).UnixMilli()}, {Kind: "employee", Until: midnight.Add(20 * time.Minute).UnixMilli()}}
			if diff := cmp.Diff(want, s.Quiet); diff != "" || s.State != "following" || s.Unsent != 0 || s.Code != "" {
				t.Errorf("status %+v\n%s", s, diff)
			}
			b.pass(52 * time.Second)
			b.equal()
			b.pass(10 * time.Minute)
			if s := b.c.Status(); s.Quiet != nil {
				t.Errorf("after the quiet: %+v", s.Quiet)
			}
		})
	})
	t.Run("a kind that rests is not polled, until another brings it along", func(t *testing.T) {
		inQuiet(t, source.Quiet{}, quietFor(1, 30), func(b *bench) {
			b.pass(time.Minute)
			b.src.put("employee", "Birgit", "E2")
			b.pass(time.Minute)
			if b.to.names("employee")["E2"] != "" {
				t.Error("it was polled")
			}
			b.src.put("department", "IT", "D2")
			b.pass(3 * time.Second)
			b.equal()
		})
	})
	t.Run("a kind that rests is not loaded before the end", func(t *testing.T) {
		inQuiet(t, source.Quiet{}, quietFor(0, 30), func(b *bench) {
			b.pass(29 * time.Minute)
			if got := b.to.names("employee"); len(got) != 0 || b.to.names("department")["D1"] != "Løn" {
				t.Errorf("employees %v, departments %v, want the second only", got, b.to.names("department"))
			}
			b.pass(time.Minute)
			b.equal()
		})
	})
	t.Run("a row that the portal asks for is read although every kind rests", func(t *testing.T) {
		inQuiet(t, quietFor(1, 30), quietFor(1, 30), func(b *bench) {
			b.pass(2 * time.Minute)
			looks := len(b.src.begins)
			b.reread(1, "employee", "E1")
			b.pass(10 * time.Minute)
			if got := len(b.src.begins) - looks; got != 1 {
				t.Errorf("%d looks at the main system, want one", got)
			}
		})
	})
	t.Run("a verification says which kind it did not look at, and why", func(t *testing.T) {
		inQuiet(t, source.Quiet{}, quietFor(0, 30), func(b *bench) {
			outcomes := b.verify(true)
			if got := outcomes["employee"].Error; !strings.Contains(got, "left alone") || outcomes["department"].Error != "" {
				t.Errorf("outcomes %+v", outcomes)
			}
		})
	})
	t.Run("a kind that is followed by comparisons is not compared before the end", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t, "department", "employee")
			b.src.planned[0].Digest, b.src.planned[0].Quiet = source.DigestAll, quietFor(5, 30)
			b.src.planned[1].Digest = source.DigestAll
			b.src.put("department", "Løn", "D1")
			b.restart()
			defer b.running()()
			b.pass(5 * time.Minute)
			b.equal()
			b.src.put("department", "IT", "D2")
			b.src.put("employee", "Birgit", "E2")
			b.pass(24 * time.Minute)
			if b.to.names("department")["D2"] != "" {
				t.Error("it was compared")
			}
			if b.to.names("employee")["E2"] == "" {
				t.Error("another kind was not")
			}
			b.pass(5 * time.Minute)
			b.equal()
		})
	})
}
