package operations

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"lessor.dk/portalsync/receiver/store"
	"lessor.dk/portalsync/receiver/web/ui"
)

// Every stable code that an agent can send has a sentence in every language: operations reads causes, not codes.
func TestEveryCodeOfAnAgentHasASentence(t *testing.T) {
	constants := regexp.MustCompile(`(?m)^\s+(?:Trouble|Code|code)[A-Z]\w*\s+(?:Code\s+)?= "([a-z-]+)"`)
	for _, file := range []string{"../../../agent/push/trouble.go", "../../../agent/capture/trouble.go", "../../../agent/inbox/inbox.go", "../../../protocol/answer.go"} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		codes := constants.FindAllStringSubmatch(string(text), -1)
		if len(codes) < 5 {
			t.Errorf("%s has %d codes, want more", file, len(codes))
		}
		for _, lang := range ui.Languages() {
			catalogue, err := ui.LoadCatalogue(lang)
			if err != nil {
				t.Fatal(err)
			}
			for _, code := range codes {
				if catalogue["code."+code[1]] == "" {
					t.Errorf("%s has no sentence for %s, which %s may send", lang, code[1], file)
				}
			}
		}
	}
}

// Every code of why a stream or a record kind waits has a sentence, and what to do, in every language.
func TestEveryCauseHasASentence(t *testing.T) {
	text, err := os.ReadFile("../../store/cause.go")
	if err != nil {
		t.Fatal(err)
	}
	codes := regexp.MustCompile(`(?m)^\s+Cause\w+\s+CauseCode = "([a-z-]+)"`).FindAllStringSubmatch(string(text), -1)
	if len(codes) < 9 {
		t.Fatalf("%d codes, want all", len(codes))
	}
	u, err := ui.New(nil, ui.Config{})
	if err != nil {
		t.Fatal(err)
	}
	for _, lang := range ui.Languages() {
		l := u.Locale(lang)
		for _, code := range codes {
			for _, rows := range []int64{1, 1431} {
				got := causeOf(store.Cause{Code: store.CauseCode(code[1]), Rows: rows, Sweep: rows, Seq: 7, From: 12, To: 19, At: 9}, l)
				if got.Text == l.Text("cause.unknown") || strings.Contains(got.Text+got.Do, "cause.") || strings.Contains(got.Text+got.Do, "{") {
					t.Errorf("%s: %s is shown as %q, %q", lang, code[1], got.Text, got.Do)
				}
			}
		}
	}
}

func TestCause(t *testing.T) {
	tests := map[string]struct {
		cause    store.Cause
		language ui.Language
		want     Cause
	}{
		"what the guard held, and what a release deletes": {
			store.Cause{Code: store.CauseGone, Rows: 1431, Sweep: 1431}, ui.Danish,
			Cause{Code: "gone", Text: "1.431 rækker er ikke længere i hovedsystemet.", Do: "Frigives posttypen, slettes 1.431 rækker i portalen. Spørg kunden, om rækkerne er slettet med vilje, eller om planens filter eller tabel er ændret. Frigiv, hvis det er meningen; ellers afvis."},
		},
		"what a person refused": {
			store.Cause{Code: store.CauseEmpties, Rows: 1, Sweep: 5, Refused: true}, ui.Swedish,
			Cause{Code: "empties", Text: "Avvisad. En ändring i huvudsystemet tömmer fält i 1 rad.", Do: "Släpp fram posttypen när huvudsystemet är rättat; då läses den om."},
		},
		"a batch that cannot be read": {
			store.Cause{Code: store.CauseUnreadable, Seq: 7, Note: "truncated"}, ui.English,
			Cause{Code: "unreadable", Text: "Batch 7 cannot be read.", Do: "The agent opens the stream anew and sends again. If it happens again, the older of agent and portal must be updated.", Note: "truncated"},
		},
		"a sentence of a program before there were codes": {
			store.Cause{Note: "431 rows are no longer in the main system"}, ui.Danish, Cause{Note: "431 rows are no longer in the main system"},
		},
		"a code of a newer program": {
			store.Cause{Code: "moon-phase", Note: "full"}, ui.English,
			Cause{Code: "moon-phase", Text: "A newer version of the portal wrote the cause.", Do: "Update this portal to the same version.", Note: "full"},
		},
		"nothing waits": {store.Cause{}, ui.Danish, Cause{}},
	}
	u, err := ui.New(nil, ui.Config{})
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := causeOf(tt.cause, u.Locale(tt.language)); got != tt.want {
				t.Errorf("cause = %+v, want %+v", got, tt.want)
			}
		})
	}
}
