package store_test

import (
	"testing"

	"lessor.dk/portalsync/receiver/store"
)

func TestCauseIsReadAsItWasWritten(t *testing.T) {
	tests := map[string]struct {
		kept any
		want store.Cause
		says string
	}{
		"nothing":                     {"", store.Cause{}, ""},
		"of before there were codes":  {"431 rows are no longer in the main system", store.Cause{Note: "431 rows are no longer in the main system"}, "431 rows are no longer in the main system"},
		"a code and its figure":       {`{"code":"deletes","rows":431}`, store.Cause{Code: store.CauseDeletes, Rows: 431}, "one change in the main system deletes 431 rows"},
		"of a newer program":          {`{"code":"moon-phase","phase":3,"note":"full"}`, store.Cause{Code: "moon-phase", Note: "full"}, "full"},
		"a person's, without a note":  {`{"code":"person"}`, store.Cause{Code: store.CausePerson}, "a person decided it"},
		"a batch that cannot be read": {`{"code":"unreadable","seq":7,"note":"truncated"}`, store.Cause{Code: store.CauseUnreadable, Seq: 7, Note: "truncated"}, "batch 7 cannot be read: truncated"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var got store.Cause
			if err := got.Scan(tt.kept); err != nil || got != tt.want || got.String() != tt.says {
				t.Errorf("Scan = %+v, %q (err %v), want %+v, %q", got, got, err, tt.want, tt.says)
			}
			kept, err := got.Value()
			if err != nil {
				t.Fatal(err)
			}
			var again store.Cause
			if err := again.Scan(kept); err != nil || again != got {
				t.Errorf("written and read again = %+v (err %v), want %+v", again, err, got)
			}
		})
	}
	for _, broken := range []any{nil, `{"code":`} {
		if err := new(store.Cause).Scan(broken); err == nil {
			t.Errorf("Scan(%v) = nil, want an error", broken)
		}
	}
}
