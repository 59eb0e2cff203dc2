package doctor

import "testing"

func TestANoteIsNoFault(t *testing.T) {
	tests := map[string]struct {
		finding Finding
		want    bool
	}{
		"all is well":                  {Finding{Check: "disk"}, true},
		"something is wrong":           {Finding{Check: "disk", Code: CodeDisk}, false},
		"it works and should be known": {Finding{Check: "login", Code: "rights-excess", Note: true}, true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := tt.finding.OK(); got != tt.want {
				t.Errorf("OK() = %t, want %t", got, tt.want)
			}
		})
	}
}
