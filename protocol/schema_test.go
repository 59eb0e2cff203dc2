package protocol_test

import (
	"encoding/json"
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lessor.dk/portalsync/protocol"
	"lessor.dk/portalsync/protocol/record"
)

func TestNewSchema(t *testing.T) {
	t.Run("keeps the kind's order and adds the key", func(t *testing.T) {
		got, err := protocol.NewSchema(record.ByName("payslip_line"), []string{"amount", "label"})
		if err != nil {
			t.Fatal(err)
		}
		want := protocol.Schema{Kind: "payslip_line", Fields: []protocol.SchemaField{
			{Name: "payslip_no", Type: "text"}, {Name: "line_no", Type: "int"}, {Name: "label", Type: "text"},
			{Name: "amount", Type: "decimal", Scale: 2},
		}}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("schema (-want +got):\n%s", diff)
		}
	})
	t.Run("refuses a field the kind lacks", func(t *testing.T) {
		if _, err := protocol.NewSchema(record.ByName("shift"), []string{"colour"}); !errors.Is(err, protocol.ErrSchema) {
			t.Errorf("err = %v, want ErrSchema", err)
		}
	})
}

func TestSchemaCheck(t *testing.T) {
	good := func() protocol.Schema {
		s, err := protocol.NewSchema(record.ByName("pay_rate"), []string{"rate"})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	if err := good().Check(); err != nil {
		t.Fatal(err)
	}
	tests := map[string]func(*protocol.Schema){
		"unknown kind":     func(s *protocol.Schema) { s.Kind = "horse" },
		"unknown field":    func(s *protocol.Schema) { s.Fields[2].Name = "colour" },
		"wrong type":       func(s *protocol.Schema) { s.Fields[2].Type = "int" },
		"wrong scale":      func(s *protocol.Schema) { s.Fields[2].Scale = 2 },
		"out of order":     func(s *protocol.Schema) { slices.Reverse(s.Fields) },
		"field twice":      func(s *protocol.Schema) { s.Fields[1] = s.Fields[0] },
		"key missing":      func(s *protocol.Schema) { s.Fields = s.Fields[1:] },
		"too many fields":  func(s *protocol.Schema) { s.Fields = make([]protocol.SchemaField, 65) },
		"no fields at all": func(s *protocol.Schema) { s.Fields = nil },
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			s := good()
			change(&s)
			if err := s.Check(); !errors.Is(err, protocol.ErrSchema) {
				t.Errorf("Check = %v, want ErrSchema", err)
			}
		})
	}
}

func TestSchemaHash(t *testing.T) {
	base := func() protocol.Schema {
		return protocol.Schema{Kind: "shift", Fields: []protocol.SchemaField{{Name: "shift_no", Type: "text"}}}
	}
	changes := map[string]func(*protocol.Schema){
		"kind":  func(s *protocol.Schema) { s.Kind = "place" },
		"name":  func(s *protocol.Schema) { s.Fields[0].Name = "name" },
		"type":  func(s *protocol.Schema) { s.Fields[0].Type = "int" },
		"scale": func(s *protocol.Schema) { s.Fields[0].Scale = 2 },
		"count": func(s *protocol.Schema) { s.Fields = append(s.Fields, s.Fields[0]) },
	}
	for name, change := range changes {
		t.Run("depends on the "+name, func(t *testing.T) {
			s := base()
			change(&s)
			if s.Hash() == base().Hash() {
				t.Error("the hash did not change")
			}
		})
	}
	t.Run("survives JSON", func(t *testing.T) {
		b, err := json.Marshal(base())
		if err != nil {
			t.Fatal(err)
		}
		var back protocol.Schema
		if err := json.Unmarshal(b, &back); err != nil || back.Hash() != base().Hash() {
			t.Errorf("hash %s after %s (%v), want %s", back.Hash(), b, err, base().Hash())
		}
	})
}
