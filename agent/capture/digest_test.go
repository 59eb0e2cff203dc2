package capture_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"lessor.dk/portalsync/agent/capture"
	"lessor.dk/portalsync/agent/source"
	"lessor.dk/portalsync/protocol"
)

// compared returns a bench of a settled kind whose changes only comparisons find.
func compared(t *testing.T, d source.Digest, keys ...string) *bench {
	t.Helper()
	b := newBench(t, "department", "employee")
	b.src.planned[1].Digest = d
	b.restart()
	b.src.put("department", "Løn", "D1")
	b.src.put("employee", "Aase", keys...)
	b.settle()
	b.equal()
	return b
}

func TestComparisonsFindWhatTheSourceDoesNotTell(t *testing.T) {
	tests := map[string]struct {
		digest source.Digest
		still  bool
		change func(b *bench)
	}{
		"a new row":                                       {digest: source.DigestAll, change: func(b *bench) { b.src.put("employee", "Birgit", "K9") }},
		"a changed row":                                   {digest: source.DigestAll, change: func(b *bench) { b.src.put("employee", "Birgit", "K00001") }},
		"a deleted row":                                   {digest: source.DigestAll, change: func(b *bench) { b.src.remove("employee", "K00001") }},
		"a row with another key":                          {digest: source.DigestAll, change: func(b *bench) { b.src.move("employee", "K00001", "K9") }},
		"though no position moves":                        {digest: source.DigestAll, still: true, change: func(b *bench) { b.src.move("employee", "K00001", "K9") }},
		"deletes beside upserts":                          {digest: source.DigestDeletes, change: func(b *bench) { b.src.put("employee", "Birgit", "K9"); b.src.remove("employee", "K00001") }},
		"a row that depended on another that is gone":     {digest: source.DigestDeletes, change: func(b *bench) { b.src.slip("employee", "Birgit", "K00001") }},
		"many rows that depended on another that is gone": {digest: source.DigestDeletes, change: func(b *bench) { b.src.slip("employee", "Birgit", keysOf(250)...); b.src.remove("employee", "K00299") }},
		"all rows but one are gone":                       {digest: source.DigestDeletes, change: func(b *bench) { b.src.remove("employee", keysOf(299)...) }},
		"a table that is empty now":                       {digest: source.DigestAll, change: func(b *bench) { b.src.remove("employee", keysOf(300)...) }},
		"more than a comparison names":                    {digest: source.DigestAll, change: func(b *bench) { b.src.put("employee", "Birgit", keysOf(6000)...) }},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			b := compared(t, tt.digest, keysOf(300)...)
			b.src.still = tt.still
			tt.change(b)
			b.settle()
			b.settle() // the first may have begun while the change was not there
			b.equal()
		})
	}
}

func TestAComparisonThatFindsNothingAsksNothingTwice(t *testing.T) {
	b := compared(t, source.DigestAll, keysOf(300)...)
	b.settle()
	asked, sent := len(b.to.digests), len(b.to.headers)
	for range 5 {
		b.settle()
	}
	if got := len(b.to.digests) - asked; got != 0 {
		t.Errorf("questions = %d in five idle comparisons, want none", got)
	}
	if got := len(b.to.headers) - sent; got != 0 {
		t.Errorf("batches = %d, want none", got)
	}
}

// What is remembered of the portal ends with the first row that is sent.
func TestAChangeThatIsTakenBackIsFoundBothTimes(t *testing.T) {
	b := compared(t, source.DigestAll, keysOf(300)...)
	for _, name := range []string{"Birgit", "Aase", "Birgit"} {
		b.src.put("employee", name, "K00001")
		b.settle()
		b.settle()
		b.equal()
	}
}

// The bytes of a comparison follow the differences: of 5,000 rows of which one changed, about one bucket is listed.
func TestOnlyBucketsThatDifferAreListed(t *testing.T) {
	b := compared(t, source.DigestAll, keysOf(5000)...)
	pairs := 0
	b.to.onDigest = func(_ protocol.DigestRequest, a *protocol.DigestAnswer) error {
		pairs += len(a.Pairs) / 16
		return nil
	}
	b.src.put("employee", "Birgit", "K00777")
	headers := b.since(func() { b.settle(); b.settle() })
	b.equal()
	if pairs == 0 || pairs > 1000 {
		t.Errorf("pairs listed = %d of 5,000, want those of a bucket", pairs)
	}
	if len(headers) != 1 || headers[0].Chunk != nil {
		t.Errorf("batches = %+v, want one cut", headers)
	}
}

// Deletes that a comparison finds are counted in the cut's header, where the delete guard looks.
func TestTheDeleteGuardSeesWhatAComparisonFinds(t *testing.T) {
	for name, digest := range map[string]source.Digest{"all": source.DigestAll, "deletes": source.DigestDeletes} {
		t.Run(name, func(t *testing.T) {
			b := compared(t, digest, keysOf(300)...)
			b.to.guardRows = 20
			b.src.remove("employee", keysOf(300)...)
			b.settle()
			b.settle()
			if got := b.rows("employee"); got != 300 {
				t.Errorf("rows = %d, want all 300 kept until a person decides", got)
			}
			b.to.with(func() { b.to.guardRows = 0 })
			b.src.put("department", "Løn", "D2") // the others flow
			b.settle()
			if b.to.names("department")["D2"] != "Løn" {
				t.Error("another kind waits")
			}
		})
	}
}

// N1: a row that cannot be sent is there; what the portal has of it stays.
func TestAComparisonKeepsWhatCannotBeSent(t *testing.T) {
	for name, digest := range map[string]source.Digest{"all": source.DigestAll, "deletes": source.DigestDeletes} {
		t.Run(name, func(t *testing.T) {
			b := compared(t, digest, keysOf(300)...)
			b.src.put("employee", "Birgit", "K00001")
			b.src.fork("employee").bad = map[string]bool{"K00001": true, "K00002": true}
			b.src.put("employee", "nul\x00", "K00003")
			b.src.remove("employee", "K00009")
			b.settle()
			b.settle()
			got := b.to.names("employee")
			if len(got) != 299 || got["K00001"] != "Aase" || got["K00002"] != "Aase" || got["K00003"] != "Aase" {
				t.Errorf("rows = %d: K00001 %q, K00002 %q, K00003 %q; want 299 and their last good state", len(got), got["K00001"], got["K00002"], got["K00003"])
			}
			headers := b.since(func() { b.settle(); b.settle() })
			if len(headers) != 0 {
				t.Errorf("batches = %d of what cannot be sent, want none", len(headers))
			}
		})
	}
}

func TestARowThatThePortalDoesNotTakeIsNotSentForEver(t *testing.T) {
	b := compared(t, source.DigestAll, keysOf(30)...)
	b.to.with(func() { b.to.refuses = map[string]bool{"K9": true} })
	b.src.put("employee", "Birgit", "K9")
	headers := b.since(func() {
		for range 6 {
			b.settle()
		}
	})
	if len(headers) != 1 {
		t.Errorf("batches = %d, want one", len(headers))
	}
	b.to.with(func() { b.to.refuses = nil })
	b.src.put("employee", "Bodil", "K9")
	b.settle()
	b.settle()
	b.equal()
}

func TestAWrongDigestAnswerChangesNothing(t *testing.T) {
	tests := map[string]func(r protocol.DigestRequest, a *protocol.DigestAnswer) error{
		"of another generation": func(_ protocol.DigestRequest, a *protocol.DigestAnswer) error { a.Gen--; return nil },
		"of a kind that is not ok": func(_ protocol.DigestRequest, a *protocol.DigestAnswer) error {
			a.State = protocol.KindRunning
			return nil
		},
		"buckets cut off": func(_ protocol.DigestRequest, a *protocol.DigestAnswer) error {
			a.Buckets = a.Buckets[:len(a.Buckets)/2]
			return nil
		},
		"pairs of another table": func(_ protocol.DigestRequest, a *protocol.DigestAnswer) error {
			a.Pairs = slices.Repeat([]byte{0xff}, 32)
			return nil
		},
		"half a pair": func(_ protocol.DigestRequest, a *protocol.DigestAnswer) error {
			a.Pairs = a.Pairs[:len(a.Pairs)-min(1, len(a.Pairs))]
			return nil
		},
		"a sum that is not its rows": func(_ protocol.DigestRequest, a *protocol.DigestAnswer) error {
			a.Sum++
			a.Buckets = protocol.NewDigest(0).Bytes()
			return nil
		},
		"keys that are none": func(_ protocol.DigestRequest, a *protocol.DigestAnswer) error { a.Keys = []byte("Aase"); return nil },
		"an error":           func(protocol.DigestRequest, *protocol.DigestAnswer) error { return errLost },
		"a refusal": func(protocol.DigestRequest, *protocol.DigestAnswer) error {
			return &protocol.Reject{Code: protocol.CodeMalformed}
		},
	}
	for name, lie := range tests {
		t.Run(name, func(t *testing.T) {
			b := compared(t, source.DigestAll, keysOf(300)...)
			b.src.put("employee", "Birgit", "K00001")
			b.src.remove("employee", "K00002")
			want := b.src.names("employee")
			b.to.onDigest = lie
			b.step(40)
			for key, got := range b.to.names("employee") {
				if now, there := want[key]; got != "Aase" && (!there || got != now) {
					t.Errorf("%s = %q", key, got)
				}
			}
			if got := b.rows("employee"); got < 299 {
				t.Errorf("rows = %d, want none lost", got)
			}
			b.to.onDigest = nil
			b.settle()
			b.settle()
			b.settle()
			b.equal()
		})
	}
}

// However the main system changes, in whatever mode, with restarts and lost answers in between, the portal follows.
func TestComparisonsReachEquality(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		b := newBench(t, "department", "employee")
		b.src.planned[0].Digest = source.Digest(rapid.IntRange(0, 2).Draw(rt, "department"))
		b.src.planned[1].Digest = source.Digest(rapid.IntRange(1, 2).Draw(rt, "employee"))
		remembered := rapid.SampledFrom([]int{0, 1}).Draw(rt, "remembered")
		restart := func() {
			b.c = capture.New(b.src, b.to, capture.Config{Tenant: tenant, Stream: stream, CompareRows: remembered})
		}
		restart()
		b.src.still = b.src.planned[0].Digest == source.DigestAll && b.src.planned[1].Digest == source.DigestAll && rapid.Bool().Draw(rt, "still")
		key := rapid.Custom(func(rt *rapid.T) string { return fmt.Sprint("K", rapid.IntRange(0, 40).Draw(rt, "key")) })
		kind := rapid.SampledFrom([]string{"department", "employee"})
		n := 0
		rt.Repeat(map[string]func(*rapid.T){
			"put": func(rt *rapid.T) {
				n++
				b.src.put(kind.Draw(rt, "kind"), fmt.Sprint("navn ", n), rapid.SliceOfN(key, 1, 10).Draw(rt, "keys")...)
			},
			"remove":   func(rt *rapid.T) { b.src.remove(kind.Draw(rt, "kind"), rapid.SliceOfN(key, 1, 10).Draw(rt, "keys")...) },
			"truncate": func(rt *rapid.T) { b.src.truncate(kind.Draw(rt, "kind")) },
			"step":     func(rt *rapid.T) { b.step(rapid.IntRange(1, 12).Draw(rt, "steps")) },
			"restart":  func(*rapid.T) { restart() },
			"lose": func(rt *rapid.T) {
				left := rapid.IntRange(1, 3).Draw(rt, "answers")
				b.to.onDigest = func(protocol.DigestRequest, *protocol.DigestAnswer) error {
					if left--; left >= 0 {
						return errLost
					}
					return nil
				}
			},
		})
		b.to.onDigest = nil
		for range 3 {
			b.settle()
		}
		for _, k := range b.src.planned {
			if diff := cmp.Diff(b.src.names(k.Record.Name), b.to.names(k.Record.Name)); diff != "" {
				rt.Fatalf("%s differs (-main system +portal):\n%s", k.Record.Name, diff)
			}
		}
	})
}
