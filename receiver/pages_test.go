package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"lessor.dk/portalsync/receiver/config"
	"lessor.dk/portalsync/receiver/web/ui"
)

// The pages' own limits are those that the settings have without a file.
func TestLimitsOfTheSettingsAreThoseOfThePages(t *testing.T) {
	cfg, err := config.Load("", func(string) string { return "" })
	if err != nil {
		t.Fatal(err)
	}
	screens, err := ui.New(nil, ui.Config{})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(screens.Limits(), limits(cfg.Freshness)); diff != "" {
		t.Errorf("limits differ (-pages +settings):\n%s", diff)
	}
}
