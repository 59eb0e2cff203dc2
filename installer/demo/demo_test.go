package demo

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"lessor.dk/portalsync/installer/compare"
	"lessor.dk/portalsync/protocol"
)

func TestConfigRefuses(t *testing.T) {
	tests := map[string]struct {
		cfg  Config
		want string
	}{
		"a database without a plan":       {Config{MainSystem: "main.db"}, "--plan belong together"},
		"a plan without a database":       {Config{Plan: "plan.yaml"}, "--plan belong together"},
		"a size of somebody else's data":  {Config{MainSystem: "main.db", Plan: "plan.yaml", Employees: 5}, "leave it out"},
		"two main systems":                {Config{MainSystem: "main.db", Plan: "plan.yaml", SQLServer: "sqlserver://h?database=d"}, "give one of them"},
		"a server's address that is none": {Config{SQLServer: "Server=h;Password=hemmelig"}, "--sqlserver is no address"},
		"a company of less than nobody":   {Config{Employees: -1}, "at least one"},
		"a plan that is not there at all": {Config{MainSystem: "main.db", Plan: "nowhere.yaml"}, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			err := tt.cfg.check()
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("check = %v, want %q", err, tt.want)
			}
		})
	}
}

func TestProgress(t *testing.T) {
	a := agentStatus{}
	a.Capture = protocol.AgentStatus{RowsSent: 30_000, Loading: []protocol.LoadProgress{{Kind: "department", Rows: 12, Total: 12}, {Kind: "payslip_line", Rows: 5, Total: 10}}}
	tests := map[string]struct {
		total int64
		want  string
	}{
		"in the middle":               {120_000, "  30000 of about 120000 rows, 10000 rows/s, 9 s left, now payslip_line"},
		"more than was counted first": {20_000, "  30000 of about 30000 rows, 10000 rows/s, now payslip_line"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := progress(a, tt.total, 3*time.Second); got != tt.want {
				t.Errorf("progress = %q, want %q", got, tt.want)
			}
		})
	}
}

func TestSummaryNamesWhatDiffers(t *testing.T) {
	figure, err := summary([]compare.Result{
		{Kind: "department", Rows: 2, Fields: 4},
		{Kind: "balance", Rows: 3, Fields: 18, Differing: 1, Differences: []string{"field amount of row 2 differs"}},
	})
	if figure != "5 rows, 22 fields, 2 record kinds" || err == nil || err.Error() != "balance: 0 rows missing, 0 too many, 1 differ: field amount of row 2 differs" {
		t.Errorf("summary = %q, %v", figure, err)
	}
}

func TestOutcomeNamesTheKindsThatAreNotEqual(t *testing.T) {
	tests := map[string]struct{ lines, figure, wrong string }{
		"all equal":      {lines: `{"kind":"a","rows":2}` + "\n" + `{"kind":"b","rows":3,"differences":0}` + "\n", figure: "5 rows, 2 record kinds"},
		"one is not":     {lines: `{"kind":"a","rows":2}` + "\n" + `{"kind":"b","rows":3,"differences":1}` + "\n", figure: "5 rows, 2 record kinds", wrong: "b: 1 rows differ "},
		"one has none":   {lines: `{"kind":"a","error":"it is suspended"}`, figure: "0 rows, 1 record kinds", wrong: "a: 0 rows differ it is suspended"},
		"nothing at all": {figure: "0 rows, 0 record kinds", wrong: "no record kind was verified"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			figure, err := outcome(tt.lines)
			if figure != tt.figure || (err == nil) != (tt.wrong == "") || err != nil && err.Error() != tt.wrong {
				t.Errorf("outcome = %q, %v; want %q, %q", figure, err, tt.figure, tt.wrong)
			}
		})
	}
}

func TestPayRunWithoutADemo(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	if _, err := PayRun(t.Context(), Config{}); err == nil || !strings.Contains(err.Error(), "no demo is running") {
		t.Errorf("PayRun = %v, want that no demo is running", err)
	}
	if _, err := PayRun(t.Context(), Config{Data: t.TempDir()}); err == nil || !strings.Contains(err.Error(), "cannot be read") {
		t.Errorf("PayRun = %v, want that the main system cannot be read", err)
	}
}

// The whole proof, with a small company: it builds both programs and kills them.
func TestCheckLeavesNothingBehind(t *testing.T) {
	if testing.Short() {
		t.Skip("builds and kills both programs")
	}
	tmp := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	var out strings.Builder
	if err := Check(t.Context(), &out, Config{Employees: 60}, true); err != nil {
		t.Fatalf("Check = %v\n%s", err, out.String())
	}
	left, err := filepath.Glob(filepath.Join(tmp, "*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	if _, err := os.Stat(pointerFile()); err == nil {
		t.Error("the pointer to a running demo was left behind")
	}
}
