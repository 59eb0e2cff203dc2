package capture_test

import (
	"fmt"
	"testing"
	"time"

	"lessor.dk/portalsync/agent/capture"
	"lessor.dk/portalsync/agent/source"
	"lessor.dk/portalsync/protocol"
)

// chunks counts the chunks of employees that f has read.
func (b *bench) chunks(f func()) (n int) {
	b.src.mu.Lock()
	b.src.read = func(kind string) {
		if kind == "employee" {
			n++
		}
	}
	b.src.mu.Unlock()
	f()
	b.src.mu.Lock()
	defer b.src.mu.Unlock()
	b.src.read = nil
	return n
}

// Of a kind whose hashes are remembered, only the pieces with a row that differs are read a second time.
func TestOnlyThePiecesThatDifferAreReadAgain(t *testing.T) {
	const pieces = 3
	tests := map[string]struct {
		remembered int
		spoil      func(rows map[string]portalRow)
		again      int
	}{
		"rows in two of them":        {spoil: func(rows map[string]portalRow) { behind(rows, "K00007"); delete(rows, "K12345") }, again: 2},
		"a row that only we have":    {spoil: func(rows map[string]portalRow) { rows["K9"] = portalRow{name: "never was"} }},
		"more than is remembered":    {remembered: 14_999, spoil: func(rows map[string]portalRow) { behind(rows, "K00007") }, again: pieces},
		"exactly what is remembered": {remembered: 15_000, spoil: func(rows map[string]portalRow) { behind(rows, "K00007") }, again: 1},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			verifying(t, source.DigestNone, capture.Config{CompareRows: tt.remembered}, func(b *bench) {
				b.src.put("employee", "Aase", keysOf(pieces*protocol.MaxBatchRows)...)
				b.pass(time.Minute)
				b.equal()
				b.to.with(func() { tt.spoil(b.to.kinds["employee"].rows) })
				var v protocol.Verification
				n := b.chunks(func() { v = b.verify(false)["employee"] })
				if n != pieces+tt.again || v.Differences == 0 || v.AtLeast {
					b.t.Errorf("chunks = %d, want %d; outcome %+v", n, pieces+tt.again, v)
				}
			})
		})
	}
}

// A row that the portal lacks is found although others have pushed it out of the piece where it was met.
func TestARowThatMovesToAnotherPieceIsFound(t *testing.T) {
	verifying(t, source.DigestNone, capture.Config{}, func(b *bench) {
		b.src.put("employee", "Aase", keysOf(2*protocol.MaxBatchRows)...)
		b.pass(time.Minute)
		b.to.with(func() {
			delete(b.to.kinds["employee"].rows, "K04999")
			pushed := false
			b.to.onDigest = func(r protocol.DigestRequest, _ *protocol.DigestAnswer) error {
				if r.Kind == "employee" && len(r.Buckets) > 0 && !pushed {
					pushed = true
					for i := range 20 {
						b.src.put("employee", "Birgit", fmt.Sprintf("K00003%02d", i))
					}
				}
				return nil
			}
		})
		if v := b.verify(false)["employee"]; v.Differences != 1 || v.Error != "" {
			b.t.Errorf("outcome = %+v, want one difference", v)
		}
	})
}

// What the portal says of another generation, or of a kind that it is loading, says nothing of the records.
func TestVerifyBelievesNoAnswerOfAnotherState(t *testing.T) {
	tests := map[string]func(a *protocol.DigestAnswer){
		"of another generation":    func(a *protocol.DigestAnswer) { a.Gen-- },
		"of a kind that is loaded": func(a *protocol.DigestAnswer) { a.State = protocol.KindRunning },
	}
	for name, other := range tests {
		t.Run(name, func(t *testing.T) {
			verifying(t, source.DigestNone, capture.Config{}, func(b *bench) {
				b.spoil()
				asked := 0
				b.to.with(func() {
					b.to.onDigest = func(r protocol.DigestRequest, a *protocol.DigestAnswer) error {
						if len(r.Keys) == 0 {
							return nil
						}
						if asked++; asked == 2 { // first the missing keys are named, then the rows are looked at again
							a.Keys = nil
							other(a)
						}
						return nil
					}
				})
				if v := b.verify(false)["employee"]; v.Differences != 4 || asked < 3 {
					b.t.Errorf("outcome = %+v after %d questions for keys, want 4 differences", v, asked)
				}
			})
		})
	}
}

// N1: neither is a row a difference that can no longer be sent when it is looked at again.
func TestARowThatCanNoLongerBeSentIsNoDifference(t *testing.T) {
	verifying(t, source.DigestNone, capture.Config{}, func(b *bench) {
		b.spoil()
		b.to.with(func() {
			b.to.onDigest = func(r protocol.DigestRequest, _ *protocol.DigestAnswer) error {
				if len(r.Keys) > 0 {
					b.src.mu.Lock()
					b.src.fork("employee").bad = map[string]bool{"K00001": true}
					b.src.mu.Unlock()
				}
				return nil
			}
		})
		if v := b.verify(false)["employee"]; v.Differences != 3 {
			b.t.Errorf("outcome = %+v, want 3 differences", v)
		}
	})
}

// A kind that differs in thousands of rows however often it is read anew is not read anew all the time.
func TestAKindThatStaysDifferentIsReadAnewOnceAnHour(t *testing.T) {
	verifying(t, source.DigestAll, capture.Config{Poll: 10 * time.Minute}, func(b *bench) {
		refused := keysOf(5000)
		b.to.with(func() {
			b.to.refuses = map[string]bool{}
			for _, key := range refused {
				b.to.refuses[key] = true
			}
		})
		b.src.put("employee", "Birgit", refused...)
		b.pass(30 * time.Minute)
		before := len(b.begins("employee"))
		b.pass(2 * time.Hour)
		if n := len(b.begins("employee")) - before; n < 1 || n > 2 {
			b.t.Errorf("loads = %d in two hours, want one an hour", n)
		}
	})
}

// A kind whose load the portal has not finished is not read for a comparison that could not be answered.
func TestAComparisonWaitsForTheLoadToBeApplied(t *testing.T) {
	verifying(t, source.DigestAll, capture.Config{}, func(b *bench) {
		b.to.with(func() { b.to.lazy = true })
		b.src.truncate("employee")
		b.src.put("employee", "Birgit", keysOf(300)...)
		b.pass(20 * time.Second)
		if n := b.chunks(func() { b.pass(time.Minute) }); n != 0 {
			b.t.Errorf("chunks = %d while the load is on its way, want none", n)
		}
		b.to.with(func() { b.to.lazy = false })
		b.to.apply()
		b.pass(time.Minute)
		b.equal()
	})
}

// Nobody waits for a comparison: between two reads the main system has as long to itself as the last one took.
func TestAComparisonLeavesHalfOfTheTimeToTheMainSystem(t *testing.T) {
	verifying(t, source.DigestNone, capture.Config{}, func(b *bench) {
		b.src.put("employee", "Aase", keysOf(3*protocol.MaxBatchRows)...)
		b.pass(time.Minute)
		const slow = 2 * time.Second
		var reads []time.Time
		b.src.mu.Lock()
		b.src.read = func(kind string) {
			if kind == "employee" {
				reads = append(reads, time.Now())
			}
			<-time.After(slow)
		}
		b.src.mu.Unlock()
		b.verify(false)
		for i := 1; i < len(reads); i++ {
			if gap := reads[i].Sub(reads[i-1]); gap < 2*slow {
				b.t.Errorf("read again after %v, want %v", gap, 2*slow)
			}
		}
		if len(reads) < 3 {
			b.t.Errorf("reads = %d, want 3", len(reads))
		}
	})
}
