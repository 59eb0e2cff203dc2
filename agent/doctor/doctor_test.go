package doctor

import (
	"crypto/x509"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"lessor.dk/portalsync/agent/config"
	"lessor.dk/portalsync/agent/push"
)

// examine returns the findings of one check of an agent that is not enrolled, with the given receiver and
// authority, by their check.
func examine(t *testing.T, receiver, extraCA string) map[string]Finding {
	t.Helper()
	dir := t.TempDir()
	text := "receiver: " + receiver + "\nmain_system: {sqlite: main.db}\nextra_ca: " + extraCA + "\n"
	file := filepath.Join(dir, "agent.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(file)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]Finding{}
	New(cfg, "test").Examine(t.Context(), func(f Finding) { found[f.Check] = f })
	return found
}

// server answers everything with the given Date, and returns its address and the file of its certificate.
func server(t *testing.T, date time.Time) (address, ca string) {
	t.Helper()
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Date", date.UTC().Format(http.TimeFormat))
		w.Write([]byte("{}"))
	}))
	t.Cleanup(s.Close)
	ca = filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pemOf(s.Certificate()), 0o600); err != nil {
		t.Fatal(err)
	}
	return s.URL, ca
}

func pemOf(cert *x509.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw})
}

func TestReceiver(t *testing.T) {
	now := time.Now()
	tests := map[string]struct {
		date        time.Time
		trusted     bool
		check, code string
		sentence    string
	}{
		"answers and is trusted":       {date: now, trusted: true, check: "receiver", sentence: "answers; its certificate is issued by"},
		"a certificate of an unknown":  {date: now, check: "receiver", code: push.TroubleIssuer, sentence: "which this computer does not trust"},
		"a clock that agrees":          {date: now, trusted: true, check: "clock", sentence: "agrees with the receiver's"},
		"a clock an hour behind":       {date: now.Add(time.Hour), trusted: true, check: "clock", code: push.TroubleClock, sentence: "behind the receiver's: set it"},
		"a clock an hour ahead":        {date: now.Add(-time.Hour), trusted: true, check: "clock", code: push.TroubleClock, sentence: "ahead of the receiver's: set it"},
		"nobody enrolled this machine": {date: now, trusted: true, check: "identity", code: CodeNotEnrolled, sentence: "run agent enrol"},
		"a plan that is not there":     {date: now, trusted: true, check: "plan", code: CodePlan, sentence: "plan.yaml"},
		"a disk with room":             {date: now, trusted: true, check: "disk", sentence: "MB free"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			address, ca := server(t, tt.date)
			if !tt.trusted {
				ca = ""
			}
			f := examine(t, address, ca)[tt.check]
			if f.Code != tt.code || !strings.Contains(f.Sentence, tt.sentence) {
				t.Errorf("%s = %q [%s], want %q [%s]", tt.check, f.Sentence, f.Code, tt.sentence, tt.code)
			}
		})
	}
}

func TestStateThatCannotBeWritten(t *testing.T) {
	if os.Geteuid() <= 0 {
		// root, and an administrator under Windows, write everywhere but below a file
		dir := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(dir, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		checkState(t, filepath.Join(dir, "state"))
		return
	}
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o500); err != nil {
		t.Fatal(err)
	}
	checkState(t, filepath.Join(dir, "state"))
}

func checkState(t *testing.T, state string) {
	t.Helper()
	var f Finding
	New(&config.Config{State: state}, "test").disk(func(found Finding) { f = found })
	if f.Code != CodeState || !strings.Contains(f.Sentence, "set state to another directory") {
		t.Errorf("disk = %q [%s], want [%s]", f.Sentence, f.Code, CodeState)
	}
}
