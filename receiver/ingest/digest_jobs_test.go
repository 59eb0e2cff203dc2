package ingest

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"lessor.dk/portalsync/protocol"
)

func asking(ctx context.Context) *call {
	return &call{Request: (&http.Request{}).WithContext(ctx)}
}

var busy = &protocol.Reject{Code: protocol.CodeBusy}

func TestADigestThatTakesLongIsThereWhenItIsAskedForAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, reads, finish := newDigests(), 0, make(chan struct{})
		read := func(context.Context) (protocol.DigestAnswer, error) {
			reads++
			<-finish
			return protocol.DigestAnswer{Rows: 7}, nil
		}
		r := protocol.DigestRequest{Stream: 9, Kind: "employee"}
		for range 2 {
			if _, err := d.answer(asking(t.Context()), r, read); !errors.Is(err, busy) {
				t.Errorf("err = %v while it is read, want busy", err)
			}
		}
		close(finish)
		synctest.Wait()
		if a, err := d.answer(asking(t.Context()), r, read); err != nil || a.Rows != 7 || reads != 1 {
			t.Errorf("answer = %+v, err %v, after %d reads; want the one that was read", a, err, reads)
		}
		if a, err := d.answer(asking(t.Context()), r, read); err != nil || a.Rows != 7 || reads != 2 {
			t.Errorf("answer = %+v, err %v, after %d reads; want it read anew", a, err, reads)
		}
	})
}

func TestAnotherQuestionEndsADigestThatNobodyWaitsFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, ended := newDigests(), false
		long := func(ctx context.Context) (protocol.DigestAnswer, error) {
			<-ctx.Done()
			ended = true
			return protocol.DigestAnswer{}, ctx.Err()
		}
		short := func(context.Context) (protocol.DigestAnswer, error) { return protocol.DigestAnswer{Rows: 7}, nil }
		_, _ = d.answer(asking(t.Context()), protocol.DigestRequest{Stream: 9, Kind: "employee"}, long)
		if a, err := d.answer(asking(t.Context()), protocol.DigestRequest{Stream: 9, Kind: "place"}, short); err != nil || a.Rows != 7 {
			t.Errorf("answer = %+v, err %v", a, err)
		}
		synctest.Wait()
		if !ended {
			t.Error("the first is still being read")
		}
	})
}

func TestFewDigestsAreReadAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, finish := newDigests(), make(chan struct{})
		read := func(context.Context) (protocol.DigestAnswer, error) { <-finish; return protocol.DigestAnswer{}, nil }
		for stream := range protocol.StreamID(digestsAtOnce) {
			go func() { _, _ = d.answer(asking(t.Context()), protocol.DigestRequest{Stream: stream + 1}, read) }()
		}
		synctest.Wait()
		begun := time.Now()
		if _, err := d.answer(asking(t.Context()), protocol.DigestRequest{Stream: 99}, read); !errors.Is(err, busy) || time.Since(begun) > 0 {
			t.Errorf("err = %v after %v, want busy at once", err, time.Since(begun))
		}
		close(finish)
		synctest.Wait()
		if _, err := d.answer(asking(t.Context()), protocol.DigestRequest{Stream: 99}, read); err != nil {
			t.Errorf("err = %v when the others are done", err)
		}
	})
}
