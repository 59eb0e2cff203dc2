package operations

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gin-gonic/gin"

	"lessor.dk/portalsync/receiver/store"
	"lessor.dk/portalsync/receiver/web/ui"
)

type unused interface{ Fleet }

// fleet is a fleet of agents in memory.
type fleet struct {
	unused
	agents []store.FleetAgent
}

func (f fleet) Fleet(context.Context) ([]store.FleetAgent, error) { return f.agents, nil }

// agentsOf makes n agents by customer: every tenth is silent, every twentieth stopped by a person.
func agentsOf(n int, now time.Time) []store.FleetAgent {
	agents := make([]store.FleetAgent, n)
	for i := range agents {
		a := &agents[i]
		a.TenantCode, a.TenantName = fmt.Sprintf("k%03d", i), fmt.Sprintf("Kunde %03d ÆØ A/S", i)
		a.State, a.LastContact, a.EnrolledAt, a.Stream.Status = store.AgentActive, now, now, store.StreamOK
		switch {
		case i%20 == 5:
			a.State = store.AgentSuspended
		case i%10 == 3:
			a.LastContact = now.Add(-time.Hour)
		}
	}
	return agents
}

func TestListOfAgents(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	u, err := ui.New([]ui.Set{Set()}, ui.Config{Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		agents  int
		address string
		first   string // customer of the first row; "" for no row
		rows    int
		says    []string
		not     []string
	}{
		"the silent first, and the stopped not before what runs": {agents: 40, address: "/operations", first: "k003", rows: 40,
			says: []string{"All <strong>40</strong>", "Offline <strong>4</strong>", "Disabled <strong>2</strong>"}, not: []string{"Next</a>"}},
		"fifty on a page": {agents: 1200, address: "/operations", first: "k003", rows: 50,
			says: []string{"1–50 of 1,200", `href="/operations?page=2"`}, not: []string{"Previous</a>"}},
		"the last page has the stopped": {agents: 1200, address: "/operations?page=24", first: "k205", rows: 50,
			says: []string{"1,151–1,200 of 1,200", `href="/operations?page=23"`}, not: []string{"Next</a>"}},
		"a page beyond the last is the last":   {agents: 120, address: "/operations?page=99", first: "k104", rows: 20, says: []string{"101–120 of 120"}},
		"a page that is no number":             {agents: 120, address: "/operations?page=x", first: "k003", rows: 50, says: []string{"1–50 of 120"}},
		"a page before the first":              {agents: 120, address: "/operations?page=-1", first: "k003", rows: 50, says: []string{"1–50 of 120"}},
		"one state":                            {agents: 120, address: "/operations?state=offline", first: "k003", rows: 12, says: []string{"All <strong>120</strong>"}},
		"pages of a state and a search":        {agents: 1200, address: "/operations?state=healthy&q=kunde", first: "k000", rows: 50, says: []string{`href="/operations?page=2&amp;q=kunde&amp;state=healthy"`}},
		"counts are of what the search finds":  {agents: 400, address: "/operations?q=K11", first: "k113", rows: 10, says: []string{"All <strong>10</strong>", "Offline <strong>1</strong>"}},
		"a search that minds no case":          {agents: 40, address: "/operations?q=kunde+007+%C3%A6%C3%B8", first: "k007", rows: 1},
		"a state that is none filters nothing": {agents: 40, address: "/operations?state=gone", first: "k003", rows: 40},
		"nothing found":                        {agents: 40, address: "/operations?q=zz&state=late", says: []string{"No agents match “zz”.", "Show all agents"}},
		"none in the state":                    {agents: 40, address: "/operations?state=late", says: []string{"No agents match the filter.", "Late <strong>0</strong>"}},
		"no agents at all":                     {address: "/operations", says: []string{"No agents yet."}, not: []string{"Show all agents"}},
	}
	row := regexp.MustCompile(`<span class="cause">(k\d+) · `)
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			p := New(u, fleet{agents: agentsOf(tt.agents, now)}, Config{})
			w := httptest.NewRecorder()
			c, _ := gin.CreateTestContext(w)
			c.Request = httptest.NewRequestWithContext(t.Context(), http.MethodGet, tt.address, nil)
			if err := p.agents(c, &ui.Visit{Language: ui.English, Path: tt.address}); err != nil {
				t.Fatal(err)
			}
			body := w.Body.String()
			var customers []string
			for _, m := range row.FindAllStringSubmatch(body, -1) {
				customers = append(customers, m[1])
			}
			if len(customers) != tt.rows || tt.rows > 0 && customers[0] != tt.first {
				t.Errorf("rows = %d from %v, want %d from %q", len(customers), customers[:min(1, len(customers))], tt.rows, tt.first)
			}
			if i := slices.Index(customers, "k005"); tt.rows == tt.agents && i >= 0 && i < tt.agents-2 {
				t.Errorf("the agent that a person stopped is number %d of %d", i, tt.rows)
			}
			for _, want := range tt.says {
				if !strings.Contains(body, want) {
					t.Errorf("the page lacks %q", want)
				}
			}
			for _, no := range tt.not {
				if strings.Contains(body, no) {
					t.Errorf("the page has %q", no)
				}
			}
		})
	}
}
