package protocol_test

import (
	"errors"
	"slices"
	"testing"

	"lessor.dk/portalsync/protocol"
	"lessor.dk/portalsync/protocol/protocoltest"
)

func TestParseKeyRefuses(t *testing.T) {
	s := protocoltest.Schema(t, "payslip_line") // payslip_no text, line_no int
	tests := map[string]struct {
		key  string
		want error
	}{
		"nothing":               {"", protocol.ErrTruncated},
		"one cell of two":       {"6131", protocol.ErrTruncated},
		"a byte too many":       {"61310100", protocol.ErrTrailing},
		"a number for the text": {"0101", protocol.ErrForm},
		"a null":                {"6131f6", protocol.ErrCanonical},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if _, err := protocol.ParseKey(s, unhex(t, tt.key)); !errors.Is(err, tt.want) {
				t.Errorf("ParseKey = %v, want %v", err, tt.want)
			}
		})
	}
}

func TestHashKinds(t *testing.T) {
	kinds := func() []protocol.KindStatus {
		return []protocol.KindStatus{
			{Kind: "employee", State: protocol.KindOK, Epoch: "1"},
			{Kind: "payslip", State: protocol.KindRunning, Snapshot: 5, LastKey: []byte("a"), Epoch: "1"},
		}
	}
	t.Run("does not depend on the order", func(t *testing.T) {
		turned := kinds()
		slices.Reverse(turned)
		if protocol.HashKinds(turned) != protocol.HashKinds(kinds()) {
			t.Error("another order gave another hash")
		}
		if turned[0].Kind != "payslip" {
			t.Error("the argument was reordered")
		}
	})
	t.Run("is the same for none and nil", func(t *testing.T) {
		if protocol.HashKinds(nil) != protocol.HashKinds([]protocol.KindStatus{}) {
			t.Error("none and nil differ")
		}
	})
	changes := map[string]func(*protocol.KindStatus){
		"kind":     func(k *protocol.KindStatus) { k.Kind = "shift" },
		"state":    func(k *protocol.KindStatus) { k.State = protocol.KindSweeping },
		"snapshot": func(k *protocol.KindStatus) { k.Snapshot = 6 },
		"last key": func(k *protocol.KindStatus) { k.LastKey = []byte("b") },
		"epoch":    func(k *protocol.KindStatus) { k.Epoch = "2" },
		"held":     func(k *protocol.KindStatus) { k.Held = true },
	}
	for name, change := range changes {
		t.Run("depends on the "+name, func(t *testing.T) {
			changed := kinds()
			change(&changed[1])
			if protocol.HashKinds(changed) == protocol.HashKinds(kinds()) {
				t.Error("the hash did not change")
			}
		})
	}
}
