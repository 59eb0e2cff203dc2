package operations

import (
	"os"
	"regexp"
	"testing"

	"lessor.dk/portalsync/receiver/web/ui"
)

// Every stable code that an agent can send has a sentence in every language: operations reads causes, not codes.
func TestEveryCodeOfAnAgentHasASentence(t *testing.T) {
	constants := regexp.MustCompile(`(?m)^\s+(?:Trouble|Code|code)[A-Z]\w*\s+(?:Code\s+)?= "([a-z-]+)"`)
	for _, file := range []string{"../../../agent/push/trouble.go", "../../../agent/capture/trouble.go", "../../../protocol/answer.go"} {
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
