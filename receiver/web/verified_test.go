package web_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"lessor.dk/portalsync/protocol"
)

// Operations sees per record kind when the portal was last held against the main system, and what was found.
func TestOperationsSeesTheLastVerification(t *testing.T) {
	at := time.Now().UnixMilli()
	tests := map[string]struct {
		outcome protocol.Verification
		want    []string
	}{
		"equal":      {protocol.Verification{Position: 8123, Rows: 12}, []string{"ens i dag", "position 8123"}},
		"different":  {protocol.Verification{Position: 8123, Differences: 2}, []string{"2 rækker afviger", "position 8123"}},
		"mended":     {protocol.Verification{Position: 8123, Differences: 1, Mended: true}, []string{"1 række rettet"}},
		"no outcome": {protocol.Verification{Error: "it is being read in full"}, []string{"ikke kontrolleret", "it is being read in full"}},
		"unreadable": {protocol.Verification{Unreadable: 3}, []string{"ens i dag", "rækker der ikke kan sendes: 3"}},
	}
	s := newSite(t)
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			tt.outcome.Kind, tt.outcome.At = "employee", at
			if err := s.store.SaveVerified(t.Context(), s.one.Tenant, s.one.Stream, tt.outcome); err != nil {
				t.Fatal(err)
			}
			page := s.visitor(t, "ditte").get(t, fmt.Sprintf("/operations/agents/%d/%d", s.one.Tenant, s.one.Agent)).body
			for _, want := range tt.want {
				if !strings.Contains(page, want) {
					t.Errorf("the page lacks %q", want)
				}
			}
		})
	}
}
