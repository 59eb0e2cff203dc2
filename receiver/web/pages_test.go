package web_test

import (
	"fmt"
	"testing"

	"github.com/jba/templatecheck"

	"lessor.dk/portalsync/protocol"
	"lessor.dk/portalsync/receiver/report"
	"lessor.dk/portalsync/receiver/store"
	"lessor.dk/portalsync/receiver/web/employee"
	"lessor.dk/portalsync/receiver/web/operations"
	"lessor.dk/portalsync/receiver/web/public"
	"lessor.dk/portalsync/receiver/web/ui"
)

// Every template in every language fits the struct it is given, also where a list is empty or a condition false.
func TestTemplatesFitTheirData(t *testing.T) {
	sets := []ui.Set{public.Set(), employee.Set(), operations.Set()}
	u, err := ui.New(sets, ui.Config{})
	if err != nil {
		t.Fatal(err)
	}
	for _, set := range sets {
		for _, p := range set.Pages {
			for _, l := range ui.Languages() {
				if err := templatecheck.CheckHTML(u.Template(l, p.Name).Lookup("layout"), p.Data); err != nil {
					t.Errorf("%s in %s: %v", p.Name, l, err)
				}
			}
		}
	}
}

// Sentences whose key is put together from a state exist for every state.
func TestStatesHaveWords(t *testing.T) {
	var keys []string
	for _, s := range report.States() {
		keys = append(keys, "state."+string(s))
		if s.Open() {
			keys = append(keys, "next."+string(s))
		}
	}
	for _, e := range report.Events() {
		keys = append(keys, "step."+string(e))
	}
	for _, s := range operations.States() {
		keys = append(keys, "state."+string(s))
	}
	for _, s := range []protocol.KindState{protocol.KindNeeded, protocol.KindRunning, protocol.KindSweeping, protocol.KindOK, protocol.KindSuspended} {
		keys = append(keys, "kind."+string(s))
	}
	for _, s := range []store.AgentState{store.AgentSuspended, store.AgentRevoked, store.AgentSuperseded} {
		keys = append(keys, "health.agent."+string(s))
	}
	for _, s := range []store.StreamStatus{store.StreamHeld, store.StreamSuspended} {
		keys = append(keys, "health.stream."+string(s))
	}
	for _, l := range []ui.Level{ui.Fresh, ui.Late, ui.Stale, ui.Never} {
		keys = append(keys, "age."+string(l))
	}
	for _, status := range []int{400, 403, 404, 421, 500, 503} {
		keys = append(keys, fmt.Sprintf("problem.%d.title", status), fmt.Sprintf("problem.%d.text", status))
	}
	danish, err := ui.LoadCatalogue(ui.Danish)
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range keys {
		if danish[key] == "" {
			t.Errorf("sentence %s does not exist", key)
		}
	}
}
