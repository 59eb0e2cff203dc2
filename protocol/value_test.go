package protocol_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"lessor.dk/portalsync/protocol"
)

func TestNothingPrintsContent(t *testing.T) {
	const secret = "Kirkegaard"
	v := protocol.TextValue(secret)
	row := protocol.Row{Version: 8, Values: []protocol.Value{v}}
	report := protocol.Report{ID: "r1", Type: "absence", EmployeeNo: secret, Fields: map[string]string{"note": secret}}
	var text, js bytes.Buffer
	for _, log := range []*slog.Logger{slog.New(slog.NewTextHandler(&text, nil)), slog.New(slog.NewJSONHandler(&js, nil))} {
		log.Info("m", "value", v, "values", row.Values, "row", row, "report", report, "decoded", protocol.DecodedRow{Row: row})
	}
	marshalled, err := json.Marshal(row)
	if err != nil {
		t.Fatal(err)
	}
	printed := map[string]string{
		"text log": text.String(), "JSON log": js.String(), "JSON": string(marshalled),
		"%v": fmt.Sprintf("%v", row), "%+v": fmt.Sprintf("%+v", row), "%#v": fmt.Sprintf("%#v", row),
		"%s": fmt.Sprintf("%s", v), "%q": fmt.Sprintf("%q", v), "%x": fmt.Sprintf("%x", v), "%d": fmt.Sprintf("%d", v),
	}
	for how, got := range printed {
		if strings.Contains(got, secret) || strings.Contains(got, fmt.Sprintf("%x", secret)) {
			t.Errorf("%s shows the content: %s", how, got)
		}
	}
}

func TestDateValue(t *testing.T) {
	tests := map[string]struct {
		got  protocol.Value
		want int64
	}{
		"the epoch":      {protocol.DateValue(1970, 1, 1), 0},
		"the day before": {protocol.DateValue(1969, 12, 31), -1},
		"a leap day":     {protocol.DateValue(2024, 2, 29), 19782},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if tt.got.Kind != protocol.Int || tt.got.N != tt.want {
				t.Errorf("%d days, want %d", tt.got.N, tt.want)
			}
		})
	}
}
