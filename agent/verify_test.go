package main

import (
	"strings"
	"testing"
	"time"

	"lessor.dk/portalsync/agent/capture"
	"lessor.dk/portalsync/protocol"
)

func TestVerifySaysTheOutcomeOfAKind(t *testing.T) {
	at := time.Date(2026, 11, 20, 6, 12, 0, 0, time.Local).UnixMilli()
	tests := map[string]struct {
		outcome protocol.Verification
		want    string
		found   bool
	}{
		"equal":        {outcome: protocol.Verification{Rows: 12}, want: "employee: verified equal 06:12, position 8123, 12 rows"},
		"bad rows":     {outcome: protocol.Verification{Rows: 12, Unreadable: 2}, want: "employee: verified equal 06:12, position 8123, 12 rows, 2 of them cannot be sent"},
		"different":    {outcome: protocol.Verification{Rows: 12, Differences: 3}, want: "employee: 3 rows differ, 06:12, position 8123, 12 rows: agent verify --repair sends them again", found: true},
		"very":         {outcome: protocol.Verification{Rows: 12, Differences: 3, AtLeast: true}, want: "employee: at least 3 rows differ, 06:12, position 8123, 12 rows: agent verify --repair sends them again", found: true},
		"mended":       {outcome: protocol.Verification{Rows: 12, Differences: 3, Mended: true}, want: "employee: 3 rows differed and were mended, 06:12, position 8123, 12 rows"},
		"not named":    {outcome: protocol.Verification{Rows: 12, AtLeast: true}, want: "employee: at least 0 rows differ, 06:12, position 8123, 12 rows: agent verify --repair sends them again", found: true},
		"very, mended": {outcome: protocol.Verification{Rows: 12, Differences: 3, AtLeast: true, Mended: true}, want: "employee: at least 3 rows differed and were mended, 06:12, position 8123, 12 rows"},
		"not verified": {outcome: protocol.Verification{Error: "it is suspended"}, want: "employee: not verified: it is suspended", found: true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			tt.outcome.Kind, tt.outcome.At, tt.outcome.Position = "employee", at, 8123
			var out, progress strings.Builder
			p := &verifyPrinter{out: &out, progress: &progress}
			p.tell(capture.VerifyNews{Kind: "employee", Rows: 5, Total: 12})
			p.tell(capture.VerifyNews{Kind: "employee", Rows: 6, Total: 12}) // too soon after the first
			p.tell(capture.VerifyNews{Kind: "employee", Outcome: &tt.outcome})
			if got := strings.TrimSuffix(out.String(), "\n"); got != tt.want || p.found != tt.found {
				t.Errorf("%q, found %v; want %q, %v", got, p.found, tt.want, tt.found)
			}
			if got := progress.String(); got != "employee: reading, 5 of about 12 rows\n" {
				t.Errorf("progress = %q", got)
			}
		})
	}
}

func TestVerifySaysHowFarItIs(t *testing.T) {
	since := time.Date(2026, 11, 20, 6, 12, 7, 0, time.Local).UnixMilli()
	tests := map[string]struct {
		news capture.VerifyNews
		want string
	}{
		"reading":                   {capture.VerifyNews{Kind: "employee", Rows: 5, Total: 12}, "employee: reading, 5 of about 12 rows\n"},
		"the second pass":           {capture.VerifyNews{Kind: "employee", Rows: 5, Total: 12, Second: true}, "employee: looking at what differs, 5 of about 12 rows\n"},
		"sent in full":              {capture.VerifyNews{Kind: "employee", Rows: 5, Total: 2, Anew: true}, "employee: sending all of it again, 5 of about 5 rows\n"},
		"waits for the portal":      {capture.VerifyNews{WaitsFor: capture.WaitsForPortal, Since: since}, "waiting for the portal since 06:12:07\n"},
		"waits for its main system": {capture.VerifyNews{WaitsFor: capture.WaitsForMainSystem, Since: since}, "waiting for the main system since 06:12:07\n"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var progress strings.Builder
			p := &verifyPrinter{out: &strings.Builder{}, progress: &progress}
			if p.tell(tt.news); progress.String() != tt.want {
				t.Errorf("progress = %q, want %q", progress.String(), tt.want)
			}
		})
	}
}
